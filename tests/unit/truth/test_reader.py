"""The reader of an embedded Truth answers what the store answers, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from parjanya_dagster.errors import TruthCorrupt
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.image_reader import ImageReader, ImagesReadable
from parjanya_dagster.truth.reader import Readable, Reader, open_reader
from parjanya_dagster.truth.records import Holder
from parjanya_dagster.truth.revisions import VERSION_TABLE


@pytest.fixture
def file(decided: Platform) -> Path:
    """A Truth with decided images, one of them gone and one under a lease."""
    truth = decided.settings.truth_file
    assert truth is not None
    store = decided.store
    decided.registry.publish_builtin()
    store.beat("reconciler", 100.25, {"launched": 2, "kinds": {"é": None}})
    store.beat("run:1", 200.0, {"rows": 1})
    store.beat("run_1", 200.0, {})
    store.note_holder(Holder(owner="run-1~a", until=300.5, hand=("x 1",)))
    gone, leased, lapsed, failed = store.present("acme", "", 4)
    with closing(sqlite3.connect(truth)) as other, other:
        for column, value, row in (
            ("object_state", "deleted", gone),
            ("lease_owner", "run-1", leased),
            ("lease_until", 1.0, leased),
            ("lapsed", 1, lapsed),
            ("pipeline_status", "failed", failed),
            ("sha256", "of both", leased),
            ("sha256", "of both", lapsed),
            ("landed_at", 1.0, lapsed),
            ("key", leased.key, failed),
            ("landed_at", 2e9, failed),
        ):
            statement = f"UPDATE images SET {column} = ? WHERE image_id = ?"
            other.execute(statement, [value, row.image_id])
        other.execute(
            "INSERT INTO tenants SELECT 'bolt', bucket, prefix, policy, weight, status, created_at "
            "FROM tenants"
        )
    return truth


@pytest.fixture
def reader(file: Path) -> Iterator[ImageReader]:
    opened = open_reader(file, ImageReader)
    assert opened is not None
    yield opened
    opened.close()


def answers(truth: Readable) -> list[object]:
    return [
        truth.tenants(),
        truth.tenant("acme"),
        truth.tenant("nobody"),
        truth.policies(),
        truth.counts(),
        truth.counts("acme"),
        truth.counts("nobody"),
        truth.heartbeats(),
        truth.heartbeats("run"),
    ]


def answers_of_images(truth: ImagesReadable, images: list[str], key: str) -> list[object]:
    every = truth.rows(sorted(truth.batch_marks()))
    hashes = [row.sha256 for row in every if row.sha256]
    return [
        every,
        truth.rows(["acme/2025-10-09/001", "nobody/2025-10-09/001"], images[1], 2),
        truth.batch_marks(),
        *map(truth.get, [*images, "nobody"]),
        truth.find(key),
        truth.find(key, "nobody"),
        truth.find("\udcff"),
        truth.starting_with(""),
        truth.starting_with(images[0][:1], "acme", 1),
        truth.starting_with("", "nobody"),
        truth.twins("acme", hashes),
        truth.twins("acme", hashes, 1),
        truth.twins("nobody", hashes),
        truth.evidence(every),
        truth.evidence(every, ["scored"]),
        truth.evidence([]),
        truth.decisions([*images, "nobody"]),
        *map(truth.all_evidence, images),
        *map(truth.history, images),
        *map(truth.reviews, images),
        truth.holders(),
    ]


def test_it_answers_what_the_store_answers_of_images(
    decided: Platform, reader: ImageReader
) -> None:
    rows = reader.rows(list(reader.batch_marks()))
    twice = next(row.key for row in rows if len(reader.find(row.key)) > 1)
    named = ([row.image_id for row in rows], twice)
    read = answers_of_images(reader, *named)
    assert read == answers_of_images(decided.store, *named)
    assert repr(read) == repr(answers_of_images(decided.store, *named))  # types of numbers too
    assert len(rows) == 8
    assert len(reader.twins("acme", ["of both"])["of both"]) == 2
    assert any(reader.reviews(row.image_id) for row in rows)


def test_it_answers_what_the_store_answers(decided: Platform, reader: Reader) -> None:
    read = answers(reader)
    assert read == answers(decided.store)
    (acme, bolt) = reader.counts()
    assert (acme.departed, acme.in_flight, acme.by_failure) == (1, 1, {"unknown": 1})
    assert bolt.rows == 0
    assert list(reader.heartbeats("run")) == ["run:1"]


def test_another_schema_has_no_reader(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other, other:
        other.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
    assert open_reader(file, Reader) is None


def test_what_is_no_truth_has_no_reader_and_none_is_made(tmp_path: Path) -> None:
    assert open_reader(tmp_path / "truth.db", Reader) is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "truth.db").write_text("no database, and long enough to be read as one" * 99)
    assert open_reader(tmp_path / "truth.db", Reader) is None


def test_a_damaged_truth_is_called_so(file: Path, decided: Platform) -> None:
    decided.store.close()
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = other.execute("PRAGMA page_size").fetchone()
        places = "SELECT rootpage FROM sqlite_master WHERE name LIKE '%tallies%' AND rootpage > 0"
        roots = [root for (root,) in other.execute(places)]
    opened = open_reader(file, Reader)
    assert opened is not None
    with file.open("r+b") as disk:
        for root in roots:
            disk.seek((root - 1) * size)
            disk.write(b"\xff" * size)
    with pytest.raises(TruthCorrupt, match="parjanya restore"):
        opened.counts()
    opened.close()
