"""Books and ledgers: what was counted is counted once, whoever dies in between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.belief.ledger import REMEMBERED, accounts, fold, kind_of
from parjanya_dagster.execution.run_ledger import BOUNDS, UNSAID, Book, gpu_attached
from parjanya_dagster.execution.worker import Tally
from parjanya_dagster.truth.records import Ledger, RunBook
from parjanya_dagster.truth.sql import SqlStore, open_store
from tests.support.clock import NOON, Clock

SILENCE = 120.0


@pytest.fixture
def store(empty_truth: Path, tmp_path: Path) -> Iterator[SqlStore]:
    shutil.copy(empty_truth, tmp_path / "truth.db")
    store = open_store(f"sqlite:///{tmp_path / 'truth.db'}", migrating=True)
    yield store
    store.close()


def keep(
    store: Any, run: str, batches: Mapping[str, Mapping[str, int]], *, closed: bool = True
) -> Book:
    book = Book(store, run, Clock(), gpu=True)
    book.at("scored")
    for batch, kinds in batches.items():
        for kind, rows in kinds.items():
            for _ in range(rows):
                book.tally.count(batch, kind)
    book.tally.image_seconds, book.tally.load_seconds = 30.0, 10.0
    book.write(closed)
    return book


ACME, ZETA = "acme/2025-10-09/001", "zeta/2025-10-09/001"


def test_a_book_counts_outcomes_by_tenant_and_shares_seconds_by_rows(store: SqlStore) -> None:
    keep(store, "r1", {ACME: {"completed": 2, "failed": 1}, ZETA: {"completed": 1}})
    found = accounts(store)
    assert found["tenant/acme"] == {
        "outcomes|scored|completed": 2,
        "outcomes|scored|failed": 1,
        "seconds|scored": pytest.approx(22.5),
        "gpu_seconds": pytest.approx(30.0),
    }
    assert found["tenant/zeta"]["seconds|scored"] == pytest.approx(7.5)


def test_amounts_only_grow_when_another_tenant_comes_later(store: SqlStore) -> None:
    """Prometheus takes a counter that falls for one that was reset."""
    book = keep(store, "r1", {ACME: {"completed": 1}}, closed=False)
    before = accounts(store)["tenant/acme"]
    for _ in range(9):
        book.tally.count(ZETA, "completed")
    book.tally.image_seconds += 1.0
    book.write()
    after = accounts(store)
    assert all(after["tenant/acme"][what] >= amount for what, amount in before.items())
    assert after["tenant/zeta"]["seconds|scored"] == pytest.approx(1.0)


def test_a_run_without_a_gpu_spends_no_gpu_seconds(store: SqlStore, tmp_path: Path) -> None:
    book = Book(store, "r1", Clock(), gpu=gpu_attached(tmp_path))
    book.at("scored")
    book.tally.count(ACME, "completed")
    book.tally.image_seconds = 5.0
    book.write()
    assert "gpu_seconds" not in accounts(store)["tenant/acme"]
    (tmp_path / "nvidiactl").touch()
    assert not gpu_attached(tmp_path)
    (tmp_path / "nvidia0").touch()
    assert gpu_attached(tmp_path)


def test_a_run_has_one_book_for_all_of_its_stages(store: SqlStore) -> None:
    clock = Clock()
    book = Book(store, "r1", clock, gpu=True)
    for stage in ("validated", "enriched"):
        book.at(stage)
        book.tally.count(ACME, "completed")
        book.tally.image_seconds = 5.0
        book.leave(goes_on=stage == "validated")
        assert bool(store.books()) == (stage == "enriched"), "a brief stage is not worth a writing"
    assert [(one.name, one.closed) for one in store.books()] == [("r1/validated", True)]
    assert accounts(store)["tenant/acme"] == {
        "outcomes|validated|completed": 1,
        "outcomes|enriched|completed": 1,
        "seconds|validated": pytest.approx(5.0),
        "seconds|enriched": pytest.approx(5.0),
        "gpu_seconds": pytest.approx(10.0),
    }
    book.close()
    assert fold(store, (), NOON, SILENCE) == 1
    book.close()
    assert store.books() == [], "nothing was counted since"
    book.at("scored")
    book.tally.count(ACME, "completed")
    book.close()
    assert {one.name for one in store.books()} == {"r1/scored"}, "what was closed is not reopened"
    assert accounts(store)["tenant/acme"]["outcomes|validated|completed"] == 1


def test_what_a_stage_counted_is_written_at_its_end_unless_that_was_a_moment_ago(
    store: SqlStore,
) -> None:
    clock = Clock()
    book = Book(store, "r1", clock, gpu=False)
    book.at("validated")
    book.tally.count(ACME, "completed")
    clock.pass_by(UNSAID)
    book.leave(goes_on=True)
    assert [(one.name, one.closed) for one in store.books()] == [("r1/validated", False)]


def test_folding_keeps_every_total_and_forgets_the_books(store: SqlStore) -> None:
    keep(store, "r1", {ACME: {"completed": 2}})
    keep(store, "r2", {ACME: {"completed": 3}, ZETA: {"retry": 1}})
    keep(store, "r3", {ACME: {"completed": 5}})
    before = accounts(store)
    assert fold(store, {"r3"}, NOON, SILENCE) == 2
    assert accounts(store) == before
    assert {book.name for book in store.books()} == {"r3/scored"}
    assert fold(store, {"r3"}, NOON, SILENCE) == 0


class Dying:
    """A store whose process dies after so many writes."""

    def __init__(self, store: SqlStore, writes: int) -> None:
        self._store, self._left = store, writes

    def books(self) -> list[RunBook]:
        return self._store.books()

    def ledgers(self) -> dict[str, Ledger]:
        return self._store.ledgers()

    def write_ledger(self, ledger: Ledger) -> None:
        self._write()
        self._store.write_ledger(ledger)

    def drop_books(self, books: Sequence[RunBook]) -> None:
        self._write()
        self._store.drop_books(books)

    def _write(self) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_death_at_any_write_of_folding_counts_nothing_twice(store: SqlStore, writes: int) -> None:
    keep(store, "r1", {ACME: {"completed": 2}, ZETA: {"completed": 1}})
    before = accounts(store)
    with pytest.raises(KeyboardInterrupt):
        fold(Dying(store, writes), (), NOON, SILENCE)  # type: ignore[arg-type]
    assert accounts(store) == before
    assert fold(store, (), NOON, SILENCE) == 1
    assert accounts(store) == before


def test_a_book_that_was_not_closed_waits_until_it_is_still(store: SqlStore) -> None:
    """Its run may only be unknown to Dagster: wiped storage, and the process works on."""
    keep(store, "r1", {ACME: {"completed": 2}}, closed=False)
    assert fold(store, (), NOON + SILENCE, SILENCE) == 0
    assert fold(store, (), NOON + SILENCE + 1, SILENCE) == 1


def test_a_late_writer_whose_book_was_folded_is_not_counted_again(store: SqlStore) -> None:
    book = keep(store, "r1", {ACME: {"completed": 2}})
    fold(store, (), NOON, SILENCE)
    book.write(closed=True)
    assert accounts(store)["tenant/acme"]["outcomes|scored|completed"] == 2
    fold(store, (), NOON, SILENCE)
    assert accounts(store)["tenant/acme"]["outcomes|scored|completed"] == 2


def test_a_ledger_does_not_grow_with_the_number_of_runs(store: SqlStore) -> None:
    for n in range(REMEMBERED // 40):
        for m in range(50):
            keep(store, f"r{n}-{m}", {ACME: {"completed": 1}})
        fold(store, (), NOON, SILENCE)
    ledger = store.ledgers()["tenant/acme"]
    assert len(ledger.folded) == REMEMBERED
    assert ledger.amounts["outcomes|scored|completed"] == REMEMBERED // 40 * 50


def test_reasons_are_kinds_and_not_file_names() -> None:
    tally = Tally()
    tally.retried(ACME, "StorageUnavailable: cannot read incoming/anna.jpg")
    tally.retried(ACME, "StorageUnavailable: cannot read incoming/bert.jpg")
    assert tally.retries == {ACME: {"StorageUnavailable": 2}}
    assert kind_of("") == "no reason was given"


def test_starts_are_a_histogram(store: SqlStore) -> None:
    book = Book(store, "r1", Clock(), gpu=False)
    book.at("start")
    book.started("gpu_lane_job", {"launching": 45.0, "importing": 0.5})
    book.started("gpu_lane_job", {"launching": BOUNDS[-1] + 1.0})
    book.write(closed=True)
    assert accounts(store)["job/gpu_lane_job"] == {
        "start|launching|sum": pytest.approx(BOUNDS[-1] + 46.0),
        "start|launching|count": 2,
        "start|launching|le|60": 1,
        "start|importing|sum": 0.5,
        "start|importing|count": 1,
        "start|importing|le|1": 1,
    }


def test_a_store_that_does_not_answer_costs_numbers_and_not_work(store: SqlStore) -> None:
    book = Book(None, "r1", Clock(), gpu=False)  # type: ignore[arg-type]
    book.at("scored")
    book.tally.count(ACME, "completed")
    book.write()
