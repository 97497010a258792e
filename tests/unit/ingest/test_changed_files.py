"""Files in buckets that are swept seldom are taken in when the operating system tells of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from parjanya_dagster.ingest.changed_files import ChangedFiles
from parjanya_dagster.ingest.watch import Cursor
from parjanya_dagster.objects.folder_changes import FolderChanges
from parjanya_dagster.platform import Platform
from tests.support.clock import Clock


class Signalled(FolderChanges):
    """Says when it was told of a file, so that a test waits for that and not for time."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def _note(self, folder: str, path: str) -> None:
        super()._note(folder, path)
        self.told.set()


@pytest.fixture
def changes() -> Iterator[Signalled]:
    changes = Signalled()
    yield changes
    changes.close()


def written(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_files_that_are_written_moved_and_linked_in_are_told_of_once(
    tmp_path: Path, changes: Signalled
) -> None:
    folder = tmp_path / "incoming"
    (folder / "deep").mkdir(parents=True)
    outside = written(tmp_path, "outside.jpg")
    changes.follow([str(folder)])
    told: set[str] = set()
    written(folder, "a.jpg")
    os.rename(outside, folder / "deep" / "moved.jpg")
    os.link(folder / "a.jpg", folder / "linked.jpg")
    expected = {str(folder / name) for name in ("a.jpg", "deep/moved.jpg", "linked.jpg")}
    while told != expected:
        assert changes.told.wait(30.0), f"told of {told} alone"
        changes.told.clear()
        told |= changes.take().get(str(folder), frozenset())


def test_nothing_hidden_gone_or_no_file_is_told_of(tmp_path: Path, changes: FolderChanges) -> None:
    folder = str(tmp_path)
    changes.again(folder, [str(written(tmp_path, name)) for name in (".a.jpg", ".b/c.jpg")])
    changes.again(folder, [str(tmp_path / "gone.jpg"), folder])
    os.mkfifo(tmp_path / "pipe.jpg")
    changes.again(folder, [str(tmp_path / "pipe.jpg")])
    assert changes.take() == {}


def test_a_folder_that_cannot_be_followed_stops_no_other(
    tmp_path: Path, changes: Signalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.mkdir()
    good.mkdir()
    changes.follow([])
    import watchdog.observers

    real = watchdog.observers.Observer.schedule  # type: ignore[attr-defined]

    def schedule(self: object, handler: object, path: str, **options: object) -> object:
        if path == str(bad):
            raise OSError(28, "inotify watch limit reached")
        return real(self, handler, path, **options)

    monkeypatch.setattr(watchdog.observers.Observer, "schedule", schedule)
    changes.follow([str(bad), str(good)])
    changes.follow([str(bad), str(good)])
    written(good, "a.jpg")
    assert changes.told.wait(30.0)


def test_another_folder_at_the_same_place_is_followed(tmp_path: Path, changes: Signalled) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    changes.follow([str(folder)])
    os.rename(folder, tmp_path / "away")
    changes.follow([str(folder)])
    folder.mkdir()
    changes.follow([str(folder)])
    changes.told.clear()
    path = written(folder, "a.jpg")
    assert changes.told.wait(30.0)
    assert changes.take() == {str(folder): frozenset({str(path)})}


# --- the tick -----------------------------------------------------------------------------------


@pytest.fixture
def slow(platform: Platform, clock: Clock, changes: FolderChanges) -> tuple[Platform, ChangedFiles]:
    """A platform whose tenant acme is swept again in an hour only."""
    platform = replace(platform, pause=clock.pass_by)
    platform.sweeper.add_tenant("acme")
    written(incoming(platform), "first.jpg")
    clock.pass_by(5.0)
    platform.watch.tick(Cursor())
    platform.pacing.next_sweep["acme"] = clock() + 800.0
    changed = platform.changed_files
    assert changed is not None
    return platform, replace(changed, folders=changes)


def incoming(platform: Platform) -> Path:
    return platform.settings.home / "buckets" / "acme" / "incoming"


def told(changed: ChangedFiles, path: Path) -> None:
    changed.folders.follow([])
    changed.folders.again(str(path.parent), [str(path)])


def test_a_file_that_was_told_of_is_registered_long_before_the_next_sweep(
    slow: tuple[Platform, ChangedFiles], clock: Clock
) -> None:
    platform, changed = slow
    path = written(incoming(platform), "second.jpg")
    os.utime(path, (clock() - 100.0, clock() - 100.0))
    told(changed, path)
    taken = replace(platform.watch, changed=changed).tick(Cursor())
    assert taken is not None
    assert sum(taken.registered.values()) == 1
    assert {row.key for row in platform.store.present("acme")} == {
        "incoming/first.jpg",
        "incoming/second.jpg",
    }
    told(changed, path)
    assert changed.take().registered == {}


def test_a_file_that_is_still_being_written_is_looked_at_again(
    slow: tuple[Platform, ChangedFiles],
) -> None:
    platform, changed = slow
    path = incoming(platform) / "half.jpg"
    with path.open("wb") as file:
        file.write(b"x")
        file.flush()
        now = os.stat(path).st_mtime
        changed = replace(changed, clock=lambda: now + 0.5)
        told(changed, path)
        assert changed.take().registered == {}
    assert sum(changed.take().registered.values()) == 1


def test_a_bucket_that_is_not_the_tenants_is_left_to_the_sweep(
    slow: tuple[Platform, ChangedFiles],
) -> None:
    platform, changed = slow
    path = written(incoming(platform), "second.jpg")
    (incoming(platform).parent / ".parjanya-bucket").unlink()
    told(changed, path)
    assert changed.take().registered == {}
    assert len(platform.store.present("acme")) == 1
