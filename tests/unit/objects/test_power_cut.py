"""A disk that forgets what nobody waited for, and a loss of power at every moment.

The model is the strict reading of POSIX: a file has the bytes of its last fsync, a folder the names
of its last fsync, and of what came later anything may have reached the disk. So each cut is looked
at twice: with no later name on the disk, and with all of them.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import NewObject


@dataclass
class Disk:
    """What of a folder is on the disk by now."""

    root: Path
    contents: dict[int, bytes] = field(default_factory=dict)  # by inode
    names: dict[str, dict[str, int]] = field(default_factory=dict)  # folder -> name -> inode

    def synced(self, handle: int) -> None:
        status, path = os.fstat(handle), os.readlink(f"/proc/self/fd/{handle}")
        if stat.S_ISDIR(status.st_mode):
            self.names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self.contents[status.st_ino] = Path(path).read_bytes()

    def made(self, handle: int) -> None:
        """A new file holds nothing, though its inode may have been another's."""
        self.contents.pop(os.fstat(handle).st_ino, None)

    def after_a_cut(self, every_name: bool) -> dict[str, bytes]:
        """The visible files that are there when power is back, by their path below the root."""
        found: dict[str, bytes] = {}
        waiting = [str(self.root)]
        while waiting:
            folder = waiting.pop()
            there = {entry.name: entry for entry in os.scandir(folder)}
            kept = self.names.get(folder, {})
            for name in there if every_name else kept:
                path = os.path.join(folder, name)
                if name in there and there[name].is_dir():
                    waiting.append(path)
                elif not name.startswith("."):
                    inode = there[name].inode() if every_name else kept[name]
                    found[os.path.relpath(path, self.root)] = self.contents.get(inode, b"")
        return found


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder of buckets, and a function that sees the disk after each step of a write."""
    root = tmp_path / "buckets"
    root.mkdir()
    disk, looks = Disk(root), []

    def then(name: str, call: Callable[..., Any], note: Callable[..., None]) -> None:
        def called(*arguments: Any, **named: Any) -> Any:
            result = call(*arguments, **named)
            note(*arguments) if name == "fsync" else note(result)
            for look in looks:
                look(disk)
            return result

        monkeypatch.setattr(tempfile if name == "mkstemp" else os, name, called)

    then("fsync", os.fsync, disk.synced)
    then("mkstemp", tempfile.mkstemp, lambda result: disk.made(result[0]))
    for name in ("replace", "rename", "link"):
        then(name, getattr(os, name), lambda _: None)
    return FolderObjects(root), looks


def test_what_was_acknowledged_is_whole_after_a_cut_and_nothing_is_ever_half(watched: Any) -> None:
    objects, looks = watched
    acknowledged: dict[str, bytes] = {}
    written: dict[str, set[bytes]] = {}  # everything that was ever put under a path
    cuts = 0

    def look(disk: Disk) -> None:
        nonlocal cuts
        for every_name in (False, True):
            cuts += 1
            found = disk.after_a_cut(every_name)
            assert all(data in written[path] for path, data in found.items())
            for path, data in acknowledged.items():
                assert found.get(path) in written[path] - older.get(path, set()), (path, data)

    older: dict[str, set[bytes]] = {}  # what a path no longer holds, since something newer was kept
    looks.append(look)

    def put(bucket: str, files: dict[str, bytes], write: Callable[[], Any]) -> None:
        paths = {f"{bucket}/{key}": data for key, data in files.items()}
        for path, data in paths.items():
            written.setdefault(path, set()).add(data)
        write()
        for path, data in paths.items():
            older[path] = written[path] - {data}
        acknowledged.update(paths)

    for turn in range(3):  # into a new bucket, then over what is there
        one = b"a%d" % turn
        put(
            "acme",
            {"incoming/a.jpg": one},
            lambda one=one: objects.put("acme", "incoming/a.jpg", one, "image/jpeg"),
        )
        group = {f"previews/{n}.jpg": b"%d of %d" % (n, turn) for n in range(4)}
        group |= {"thumbnails/deep/er.jpg": b"t%d" % turn}
        new = [NewObject(key=k, data=d, content_type="image/jpeg") for k, d in group.items()]
        put("acme", group, lambda new=new: objects.put_many("acme", new))
        key, table = "curated/2026-11-27/001.parquet", b"table %d" % turn
        there = objects.head("acme", key).version if turn else ""
        put(
            "acme",
            {key: table},
            lambda there=there, key=key, table=table: objects.put_over(
                "acme", key, table, "application/octet-stream", there
            ),
        )
    assert len(acknowledged) == 7
    assert cuts > 100


def test_the_model_finds_a_write_that_does_not_wait(
    watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, looks = watched
    monkeypatch.setattr(os, "fsync", lambda _: None)
    empty: list[str] = []
    looks.append(
        lambda disk: empty.extend(
            path for path, data in disk.after_a_cut(every_name=True).items() if not data
        )
    )
    objects.put("acme", "incoming/a.jpg", b"a", "image/jpeg")
    assert "acme/incoming/a.jpg" in empty
