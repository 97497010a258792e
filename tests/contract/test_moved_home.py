"""A home that was copied, restored or moved shows every file as another version.

Really done, by the programs that people use. Each file is read once, and nothing is decided again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.errors import StorageUnavailable
from parjanya_dagster.ingest.arrivals import Sweeper
from parjanya_dagster.ingest.results import SweepResult
from parjanya_dagster.objects import local
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import Digest
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.outcomes import Claim, Completed
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import rebuild
from tests.support.clock import NOON, Clock
from tests.support.world import claim, commit, completed

FILES = 12
FOREVER = NOON + 1e9


class CountedObjects(FolderObjects):
    """Counts what is read, and lets time pass with it."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root, settle=0.0)
        self.clock, self.reads, self.locked = clock, Counter[str](), ""

    def digest(self, bucket: str, key: str) -> Digest:
        if key.endswith(self.locked or "/"):
            raise StorageUnavailable(f"Cannot read {key}")
        self.reads[key] += 1
        self.clock.pass_by(1.0)
        return super().digest(bucket, key)


@dataclass
class Home:
    store: Store
    root: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.objects = CountedObjects(self.root, self.clock)
        self.sweeper = Sweeper(self.store, self.objects, self.clock, lambda: "default@1")
        self.sweeper = replace(self.sweeper, reading=1e9)

    @property
    def incoming(self) -> Path:
        return self.root / "acme" / "incoming"

    def fill(self) -> None:
        """Files that are decided, and two that came later and wait."""
        self.incoming.mkdir(parents=True)
        self._drop(range(FILES - 2))
        for stage in ("validated", "enriched", "scored", "curated"):
            claims = claim(self.store, stage, now=self.clock())
            commit(self.store, claims, self._outcome, now=self.clock())
        self._drop(range(FILES - 2, FILES))

    def _drop(self, numbers: range) -> None:
        for n in numbers:
            (self.incoming / f"{n:02}.jpg").write_bytes(b"image %02d" % n)
        self.sweep()

    def _outcome(self, one: Claim) -> Completed:
        if one.stage == "validated":
            data = (self.root / one.row.bucket / one.row.key).read_bytes()
            return completed(one, sha256=hashlib.sha256(data).hexdigest())
        if one.stage == "curated":
            return completed(one, verdict="accept", policy="default@1")
        return completed(one)

    def sweep(self) -> SweepResult:
        self.clock.pass_by(100.0)
        return self.sweeper.sweep(FOREVER)

    def rows(self) -> dict[str, ImageRow]:
        return {row.image_id: row for row in self.store.rows(self.store.batches())}

    def at(self, root: Path) -> Home:
        """The same Truth over buckets in another place."""
        return Home(self.store, root, self.clock)


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    home = Home(store, tmp_path / "buckets")
    home.fill()
    return home


def copy(home: Home, *command: str) -> Path:
    there = home.root.parent / "elsewhere"
    subprocess.run([*command, home.root, there], check=True)
    return there


def restored(home: Home) -> Path:
    archive, there = home.root.parent / "home.tar", home.root.parent / "elsewhere"
    there.mkdir()
    subprocess.run(["tar", "-C", home.root, "-cf", archive, "."], check=True)
    subprocess.run(["tar", "-C", there, "-xf", archive], check=True)
    return there


def moved_in_place(home: Home) -> Path:
    """Files get new inodes and times where they are, as a restore over them does."""
    for path in home.incoming.iterdir():
        shutil.copy(path, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
    return home.root


MOVES: dict[str, Callable[[Home], Path]] = {
    "cp -r": lambda home: copy(home, "cp", "-r"),
    "cp -a": lambda home: copy(home, "cp", "-a"),
    "tar": restored,
    "in place": moved_in_place,
}


def decisions(rows: dict[str, ImageRow]) -> dict[str, Any]:
    return {
        image: (row.verdict, row.policy, row.sha256, row.pipeline_status, row.object_state)
        for image, row in rows.items()
    }


@pytest.mark.parametrize("move", MOVES)
def test_a_moved_home_costs_one_read_of_each_file_and_no_decision(home: Home, move: str) -> None:
    before = home.rows()
    there = home.at(MOVES[move](home))
    swept = there.sweep()
    after = home.rows()
    assert decisions(after) == decisions(before)
    assert {row.version for row in after.values()}.isdisjoint(r.version for r in before.values())
    decided = {row.key for row in before.values() if row.sha256}
    assert there.objects.reads == dict.fromkeys(decided, 1)  # the others wait for their first read
    assert (swept.registered, swept.departed, swept.unread, swept.refused) == ({}, 0, 0, {})
    for image in before:
        assert rebuild(home.store.history(image)) == after[image]
    there.sweep()
    assert home.rows() == after
    assert sum(there.objects.reads.values()) == len(decided)


def test_a_home_that_was_moved_by_mv_costs_nothing_where_its_disk_is_the_same(home: Home) -> None:
    before = home.rows()
    there = home.at(copy(home, "mv"))
    there.sweep()
    assert home.rows() == before
    assert not there.objects.reads


def test_versions_of_an_older_parjanya_are_recognized(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It named a version without the time of its last change."""

    def version(stat: os.stat_result) -> str:
        return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"

    home = Home(store, tmp_path / "buckets")
    with monkeypatch.context() as older:
        older.setattr(local, "_version", version)
        home.fill()
    before = home.rows()
    home.sweep()
    assert decisions(home.rows()) == decisions(before)
    assert home.objects.reads == dict.fromkeys((r.key for r in before.values() if r.sha256), 1)
    assert {row.version.count("-") for row in home.rows().values()} == {3}


def test_other_bytes_with_the_same_inode_size_and_time_are_another_image(home: Home) -> None:
    path = home.incoming / "00.jpg"
    stat = path.stat()
    with path.open("r+b") as file:  # as rsync --inplace --times does
        file.write(b"OTHER 00")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) == (
        stat.st_ino,
        stat.st_mtime_ns,
        stat.st_size,
    )
    home.sweep()
    new, old = home.store.find("incoming/00.jpg")
    assert (new.object_state, new.pipeline_status) == ("present", "pending_validation")
    assert (old.object_state, old.verdict, old.replaced_by) == (
        "replaced",
        "accept",
        new.image_id,
    )


def test_a_change_of_mode_owner_or_links_decides_nothing(home: Home) -> None:
    before = home.rows()
    (home.incoming / "00.jpg").chmod(0o600)
    os.link(home.incoming / "01.jpg", home.root.parent / "backup")
    home.sweep()
    assert decisions(home.rows()) == decisions(before)
    assert set(home.objects.reads) == {"incoming/00.jpg", "incoming/01.jpg"}


def test_reading_is_bounded_and_meanwhile_nothing_departs(home: Home) -> None:
    before = home.rows()
    there = home.at(MOVES["cp -r"](home))
    there.sweeper = replace(there.sweeper, reading=0.5)
    swept = there.sweep()
    assert swept.unread == len([row for row in before.values() if row.sha256]) - 8
    assert (swept.departed, swept.held, swept.registered) == (0, {}, {})
    assert decisions(home.rows()) == decisions(before)
    assert there.sweep().unread == 0
    assert decisions(home.rows()) == decisions(before)
    assert set(there.objects.reads.values()) == {1}


def test_a_file_that_cannot_be_read_keeps_its_decision_and_stops_no_other(home: Home) -> None:
    before = home.rows()
    there = home.at(MOVES["cp -r"](home))
    there.objects.locked = "00.jpg"
    swept = there.sweep()
    assert swept.refused == {"acme/incoming/00.jpg": "Cannot read incoming/00.jpg"}
    assert (swept.unread, swept.departed) == (1, 0)
    assert decisions(home.rows()) == decisions(before)
    there.objects.locked = ""
    there.sweep()
    assert there.objects.reads["incoming/00.jpg"] == 1


def test_a_home_restored_after_its_images_departed_shows_their_decisions(home: Home) -> None:
    before = home.rows()
    there = MOVES["cp -r"](home)
    home.store.depart(list(before), home.clock(), "deleted")
    home.at(there).sweep()
    after = home.rows()
    waiting = {"pipeline_status": "pending_curation"}  # a copy may have been accepted meanwhile
    expected = {i: replace(row, **waiting) if row.verdict else row for i, row in before.items()}
    assert decisions(after) == decisions(expected)
