"""Duplicates: the earliest arrival is kept, whatever is validated, decided or killed in any order.

Pictures are real thumbnails of drawn scenes; the store is the real SQLite one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import event

from parjanya_dagster import media
from parjanya_dagster.execution.stages.curate import Curate
from parjanya_dagster.media.likeness import apart, keys, likeness
from parjanya_dagster.policy import builtin
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed, Outcome
from parjanya_dagster.truth.requests import ClaimRequest
from parjanya_dagster.truth.sql import SqlStore, open_store
from tests.support.examples import examples
from tests.support.world import LEASE, NOON, arrival, found, tenant

POLICY = builtin()["default@2"]
DISTANCE = POLICY.near_distance or 0
ANSWERS: dict[str, dict[str, Any]] = {"enriched": {}, "scored": {"metrics": {"piqe": {}}}}
"""What engines say to what the policy asks: nothing that decides."""


def scene(seed: int, *, margin: float = 0.0) -> Image.Image:
    """A smooth random landscape of 600×450 with edges in it, cropped by a share of each side."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    fine = Image.fromarray(random.integers(0, 255, (18, 24, 3), dtype=np.uint8))
    size = (600, 450)
    picture = Image.blend(
        coarse.resize(size, Image.Resampling.BICUBIC),
        fine.resize(size, Image.Resampling.BICUBIC),
        0.2,
    )
    dx, dy = round(600 * margin), round(450 * margin)
    return picture.crop((dx, dy, 600 - dx, 450 - dy))


@cache
def pictures() -> dict[str, dict[str, Any]]:
    """Likeness evidence by name. a, b and c are a chain: a ~ b and b ~ c, but a is not like c."""
    made = {
        "a": scene(1),
        "b": scene(1, margin=0.1),
        "c": scene(1, margin=0.2),
        "other": scene(2),
        "flat": Image.new("RGB", (300, 200), "white"),
    }
    return {name: likeness(np.asarray(one), one.convert("L")) for name, one in made.items()}


def resemble(one: str, other: str) -> bool:
    """Whether these pictures are near duplicates, looked at without any index."""
    a, b = pictures()[one], pictures()[other]
    mine, its = keys(a["views"]), keys(b["views"])
    close = any(apart(mine[k], its[k]) <= DISTANCE for k in mine.keys() & its.keys())
    return close and media.alike(a, b).same


def test_the_pictures_of_this_test_are_a_chain() -> None:
    assert resemble("a", "b")
    assert resemble("b", "c")
    assert not resemble("a", "c")
    assert not resemble("a", "other")
    assert not resemble("flat", "flat")


@dataclass(frozen=True)
class Landed:
    """An image of a tenant; equal pictures are equal files."""

    picture: str
    place: int  # its place in the order of arrival

    @property
    def at(self) -> float:
        return NOON + self.place


class World:
    """Images that are validated and decided step by step, by workers that may die."""

    def __init__(self, url: str, images: Sequence[Landed]) -> None:
        self.store: SqlStore = open_store(url, migrating=True)
        event.listen(self.store.engine, "connect", _do_not_wait_for_the_disk)
        self.now = NOON + 1000
        self.store.put_tenant(tenant())
        self.landed: dict[str, Landed] = {}
        for number, one in enumerate(images):  # rows fall due in the order of this list
            self.now += 1
            it = arrival(f"{number}", landed_at=one.at)
            self.store.register([it], self.now)
            self.landed[it.image_id] = one
        self.workers: dict[int, tuple[list[Claim], Iterator[tuple[Claim, Outcome]], list[Any]]] = {}
        self.runs = 0

    def claim(self, stage: str, limit: int) -> list[Claim]:
        self.runs += 1
        return self.store.claim(
            ClaimRequest(
                stage=stage,
                batches=self.store.batches(),
                limit=limit,
                owner=f"run-{self.runs}",
                lease=LEASE,
            ),
            self.now,
        )

    def bring(self, count: int) -> None:
        """Validate, enrich and score the next `count` images."""
        for claim in self.claim("validated", count):
            picture = self.landed[claim.image_id].picture
            shown = pictures()[picture]
            body = {"sha256": picture, "likeness": shown, "technical": {"shorter_side": 900}}
            evidence = found(claim, body=body)
            done = Completed(evidence, {"sha256": picture}, keys(shown["views"]))
            self.store.commit([(claim, done)], self.now, "run")
        for stage in ("enriched", "scored"):
            for claim in self.claim(stage, 100):
                answer = found(claim, body=ANSWERS[stage])
                self.store.commit([(claim, Completed(answer))], self.now, "run")

    def begin(self, worker: int, limit: int) -> None:
        """A worker claims rows and looks for duplicates; it holds its outcomes back."""
        if worker in self.workers:
            return
        claims = self.claim("curated", limit)
        work = Curate(self.store, lambda _: POLICY, run_id=f"w{worker}", clock=lambda: self.now)
        outcomes = work.work(claims)
        first = [one for one in [next(outcomes, None)] if one is not None]
        self.workers[worker] = (claims, outcomes, first)

    def finish(self, worker: int) -> None:
        if worker in self.workers:
            _, outcomes, first = self.workers.pop(worker)
            self.store.commit([*first, *outcomes], self.now, f"w{worker}")

    def die(self, worker: int) -> None:
        """Its leases run out."""
        if worker in self.workers:
            del self.workers[worker]
            self.now += 2 * LEASE
            self.store.expire_leases(self.now)

    def settle(self) -> None:
        self.bring(100)
        for worker in list(self.workers):
            self.finish(worker)
        for _ in range(50):
            self.begin(99, 100)
            self.finish(99)
            if {row.pipeline_status for row in self.store.rows(self.store.batches())} == {
                "curated"
            }:
                return
            self.now += 1800  # whoever was held by a worker that died may wait by itself
            self.bring(100)
        raise AssertionError("rows are sent back for ever")

    def decided(self) -> dict[Landed, Landed | None]:
        """Each image, and which it was decided to be a duplicate of."""
        rows = self.store.rows(self.store.batches())
        assert {row.pipeline_status for row in rows} == {"curated"}
        evidence = self.store.evidence(rows)
        known = {i: e["curated"].body["duplicate_of"] for i, e in evidence.items()}
        return {self.landed[i]: self.landed.get(of) for i, of in known.items()}


def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def expected(images: Sequence[Landed]) -> dict[Landed, Landed | None]:
    """The definition, by brute force."""

    def original(one: Landed) -> Landed | None:
        earlier = sorted((i for i in images if i.place < one.place), key=lambda i: i.place)
        same = [i for i in earlier if i.picture == one.picture]
        like = [i for i in earlier if resemble(i.picture, one.picture)]
        return next(iter(same or like), None)

    return {one: original(one) for one in images}


@pytest.fixture
def template(empty_truth: Path) -> Path:
    return empty_truth


def world(template: Path, images: Sequence[Landed]) -> World:
    path = template.with_name("copy.db")
    for old in template.parent.glob("copy.db*"):
        old.unlink()
    shutil.copy(template, path)
    return World(f"sqlite:///{path}", images)


NAMES = st.lists(st.sampled_from(["a", "b", "c", "flat"]), min_size=3, max_size=6)
WORKERS = st.integers(0, 1)
STEPS = st.lists(
    st.tuples(st.just("bring"), st.integers(1, 2))
    | st.tuples(st.just("begin"), WORKERS, st.integers(1, 2))
    | st.tuples(st.sampled_from(["finish", "die"]), WORKERS),
    min_size=8,
    max_size=24,
)


@given(st.data())
@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_interleaving_ends_in_the_same_decisions(template: Path, data: st.DataObject) -> None:
    names = data.draw(NAMES)
    order = data.draw(st.permutations(range(len(names))))
    images = [Landed(name, place) for name, place in zip(names, order, strict=True)]
    one = world(template, images)
    try:
        for step, *arguments in data.draw(STEPS):
            getattr(one, step)(*arguments)
        one.settle()
        assert one.decided() == expected(images)
    finally:
        one.store.close()


@pytest.mark.parametrize("names", list(permutations("abc")), ids="".join)
@pytest.mark.parametrize("places", list(permutations(range(3))))
def test_a_chain_has_one_answer_in_any_order(
    template: Path, places: tuple[int, ...], names: tuple[str, ...]
) -> None:
    """Each image is decided before the next one is validated."""
    images = [Landed(*pair) for pair in zip(names, places, strict=True)]
    one = world(template, images)
    for _ in images:
        one.bring(1)
        one.begin(0, 10)
        one.finish(0)
    one.settle()
    assert one.decided() == expected(images)
    one.store.close()


def test_an_earlier_twin_sends_a_decided_image_back(template: Path) -> None:
    later, earlier = Landed("b", 5), Landed("a", 2)
    one = world(template, [later, earlier])
    one.bring(1)
    one.begin(0, 10)
    one.finish(0)
    assert one.store.counts()[0].by_status == {"curated": 1, "pending_validation": 1}
    one.settle()
    assert one.decided() == {later: earlier, earlier: None}
    (row,) = [r for r in one.store.rows(one.store.batches()) if one.landed[r.image_id] == later]
    assert [e.kind for e in one.store.history(row.image_id)][-2:] == ["reset", "completed"]
    assert row.verdict == "review"
    assert any("Looks like" in reason for reason in row.reasons)
    one.store.close()


def test_who_looked_before_the_earlier_twin_was_there_cannot_commit(template: Path) -> None:
    """The later image is in flight, and its decision is made already, when the earlier comes."""
    later, earlier = Landed("b", 5), Landed("a", 2)
    one = world(template, [later, earlier])
    one.bring(1)
    one.begin(0, 10)  # looks, finds nothing
    one.bring(1)
    one.begin(1, 10)
    one.finish(1)  # the earlier one is decided
    one.finish(0)  # too late: its fence has grown
    one.settle()
    assert one.decided() == {later: earlier, earlier: None}
    one.store.close()


def test_dying_after_sending_back_loses_nothing(template: Path) -> None:
    later, earlier = Landed("other", 5), Landed("other", 2)
    one = world(template, [later, earlier])
    one.bring(1)
    one.begin(0, 10)
    one.finish(0)
    one.bring(1)
    one.begin(1, 10)
    one.die(1)
    one.settle()
    assert one.decided() == {later: earlier, earlier: None}
    one.store.close()


def accepted(one: World) -> list[str]:
    """The ids of present images that were decided to be no duplicate; the others name one."""
    rows = [r for r in one.store.rows(one.store.batches()) if r.object_state == "present"]
    assert {row.pipeline_status for row in rows} == {"curated"}
    named = {i: e["curated"].body["duplicate_of"] for i, e in one.store.evidence(rows).items()}
    first = [row.image_id for row in rows if named[row.image_id] is None]
    assert {of for of in named.values() if of is not None} <= set(first)
    return first


@pytest.mark.parametrize("landed_again", [0, 900])
@pytest.mark.parametrize("dies", [False, True])
def test_of_copies_one_is_accepted_when_the_original_leaves_and_when_it_returns(
    template: Path, landed_again: int, dies: bool
) -> None:
    """It may return with a new landing time, as a file does that was moved away and back."""
    one = world(template, [Landed("other", n) for n in range(4)])
    one.settle()
    (original,) = accepted(one)

    def settle() -> None:
        if dies:  # the worker that decides the next one, once it has sent the others back
            one.begin(0, 10)
            one.die(0)
        one.settle()

    one.store.depart([original], one.now, "deleted")
    settle()
    (heir,) = accepted(one)
    assert heir != original
    one.store.register([arrival("0", landed_at=NOON + landed_again)], one.now)
    settle()
    assert accepted(one) == [heir if landed_again else original]
    one.store.close()


def test_what_looks_like_an_image_that_left_is_decided_again_with_its_copies(
    template: Path,
) -> None:
    first, copy, resized = Landed("a", 0), Landed("a", 1), Landed("b", 2)
    one = world(template, [first, copy, resized])
    one.settle()
    assert one.decided() == {first: None, copy: first, resized: first}
    (left,) = (image for image, landed in one.landed.items() if landed == first)
    one.store.depart([left], one.now, "deleted")
    one.settle()
    assert one.decided() == {first: None, copy: None, resized: copy}
    one.store.close()


def test_rows_that_are_decided_together_are_compared_once(
    template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later one looks back. The earlier one need not look at it too."""
    earlier, later = Landed("a", 2), Landed("b", 5)
    one = world(template, [earlier, later])
    one.bring(2)
    compared, alike = [], media.alike

    def counted(this: Any, that: Any) -> media.Match:
        compared.append((this, that))
        return alike(this, that)

    monkeypatch.setattr(media.resemblance, "alike", counted)
    one.begin(0, 10)
    one.finish(0)
    assert one.decided() == {later: earlier, earlier: None}
    assert len(compared) == 1
    one.store.close()


def test_copies_cost_no_square(template: Path) -> None:
    """Only the earliest of the copies reads all of them; each other reads two rows."""
    one = world(template, [Landed("other", n) for n in range(40)])
    one.bring(100)
    read = 0
    twin_ids, copies = one.store.twin_ids, one.store.copies

    def counted_ids(tenant: str, hashes: Any, limit: int | None = None) -> dict[str, list[str]]:
        nonlocal read
        result = twin_ids(tenant, hashes, limit)
        read += sum(map(len, result.values()))
        return result

    def counted(*page: Any) -> list[ImageRow]:
        nonlocal read
        read += len(result := copies(*page))
        return result

    one.store.twin_ids = counted_ids  # type: ignore[method-assign]
    one.store.copies = counted  # type: ignore[method-assign]
    for _ in range(40):
        one.begin(0, 1)
        one.finish(0)
    assert read <= 40 + 2 * 40
    assert sum(of is not None for of in one.decided().values()) == 39
    one.store.close()
