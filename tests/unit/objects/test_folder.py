"""Buckets as folders: odd names, whole writes, and what is finished."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from parjanya_dagster.errors import ObjectGone, SettingsInvalid, StorageUnavailable
from parjanya_dagster.objects import Readers, open_objects
from parjanya_dagster.objects.keys import Aside
from parjanya_dagster.objects.local import LOCK, MARKER, FolderObjects
from parjanya_dagster.objects.store import ObjectInfo


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "buckets"
    (root / "acme" / "incoming").mkdir(parents=True)
    return root


@pytest.fixture
def objects(root: Path) -> FolderObjects:
    objects = FolderObjects(root, settle=1.0)
    objects.mark("acme")
    return objects


def keys(objects: FolderObjects, prefix: str = "incoming/", bucket: str = "acme") -> set[str]:
    return {info.key for info in objects.listing(bucket, prefix)}


@pytest.mark.parametrize(("readable", "mode"), [("owner", 0o600), ("group", 0o640)])
def test_what_is_written_is_readable_by_whom_the_setting_names(
    root: Path, readable: Readers, mode: int
) -> None:
    objects = open_objects(root.as_uri(), readable=readable)
    objects.put("acme", "previews/a.jpg", b"data", "image/jpeg")
    assert objects.put_over("acme", "curated/001.parquet", b"data", "", "")
    for key in ("previews/a.jpg", "curated/001.parquet"):
        assert (root / "acme" / key).stat().st_mode & 0o777 == mode


ODD_NAMES = [
    "a b.jpg",
    "ü – 你好 🖼.jpg",
    "#1.jpg",
    "100%.jpg",
    "a+b&c=d?.jpg",
    "line\nbreak.jpg",
    "back\\slash.jpg",
    "quote'\".jpg",
    "-rf.jpg",
    "deep/er/and deeper/x.jpg",
    "n" * 251 + ".jpg",
    os.fsdecode(b"not-\xff-utf8.jpg"),
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_object_of_any_name_is_written_listed_and_read(
    objects: FolderObjects, name: str
) -> None:
    key = "incoming/" + name
    objects.put("acme", key, b"bytes", "image/jpeg")
    assert keys(objects) == {key}
    found = objects.get("acme", key)
    assert found.data == b"bytes"
    assert (
        found.version
        == objects.head("acme", key).version
        == next(objects.listing("acme", "incoming/")).version
    )


@pytest.mark.parametrize(
    "key", ["../secret", "incoming/../../secret", "incoming/./x", "..", "incoming/.."]
)
def test_no_key_leads_out_of_its_bucket(objects: FolderObjects, root: Path, key: str) -> None:
    (root / "secret").write_bytes(b"another tenant's")
    for attempt in (
        lambda: objects.get("acme", key),
        lambda: objects.head("acme", key),
        lambda: objects.put("acme", key, b"x", "text/plain"),
    ):
        with pytest.raises(ObjectGone):
            attempt()
    assert (root / "secret").read_bytes() == b"another tenant's"


@pytest.mark.parametrize("bucket", ["", "..", ".", "acme/../bolt"])
def test_no_bucket_name_leads_out_of_the_root(objects: FolderObjects, bucket: str) -> None:
    with pytest.raises(ObjectGone):
        objects.get(bucket, "incoming/x")


def test_an_absolute_key_stays_in_its_bucket(objects: FolderObjects) -> None:
    with pytest.raises(ObjectGone):
        objects.get("acme", "/etc/hostname")


def test_what_is_not_there_is_gone_and_what_cannot_be_read_is_unavailable(
    objects: FolderObjects, root: Path
) -> None:
    for key in ("incoming/x", "incoming/x/y", "incoming"):
        with pytest.raises(ObjectGone):
            objects.get("acme", key)
    (root / "acme" / "incoming" / "loop").symlink_to("loop")
    with pytest.raises(StorageUnavailable, match="Cannot read"):
        objects.get("acme", "incoming/loop")


def test_one_entry_that_cannot_be_read_does_not_hide_the_others(
    objects: FolderObjects, root: Path
) -> None:
    incoming = root / "acme" / "incoming"
    (incoming / "loop").symlink_to("loop")
    (incoming / "dangling").symlink_to("nowhere")
    os.mkfifo(incoming / "pipe")
    (incoming / "a.jpg").write_bytes(b"a")
    assert keys(objects) == {"incoming/a.jpg"}


def test_a_root_that_is_away_is_unavailable_and_not_empty(tmp_path: Path) -> None:
    """A volume that is not mounted must not look as if every image had been deleted."""
    objects = FolderObjects(tmp_path / "not mounted")
    with pytest.raises(StorageUnavailable):
        list(objects.listing("acme", "incoming/"))
    with pytest.raises(StorageUnavailable):
        objects.get("acme", "incoming/a.jpg")
    with pytest.raises(StorageUnavailable):
        objects.head("acme", "incoming/a.jpg")


def test_a_bucket_is_marked_once_and_keeps_its_identity(root: Path) -> None:
    objects = FolderObjects(root)
    assert objects.identity("acme") is None
    first = objects.mark("acme")
    assert objects.mark("acme") == FolderObjects(root).identity("acme") == first
    assert keys(objects, "") == set()  # the marker is no object


def test_a_bucket_that_a_write_makes_is_marked(root: Path) -> None:
    objects = FolderObjects(root)
    objects.put("bolt", "incoming/a.jpg", b"x", "image/jpeg")
    assert objects.identity("bolt")


def test_nobody_meets_a_new_bucket_without_its_marker(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first uploads of a tenant, one looked while another made the bucket."""
    objects, seen = FolderObjects(root), []
    mark = FolderObjects._mark

    def slow(self: FolderObjects, path: Path) -> str:
        seen.append((root / "bolt").exists())
        return mark(self, path)

    monkeypatch.setattr(FolderObjects, "_mark", slow)
    objects.put("bolt", "incoming/a.jpg", b"x", "image/jpeg")
    assert seen == [False]


def test_of_two_who_make_a_bucket_at_once_the_first_is_obeyed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, rename = FolderObjects(root), os.rename

    def late(*arguments: Path) -> None:
        monkeypatch.setattr(os, "rename", rename)
        other.put("bolt", "incoming/b.jpg", b"y", "image/jpeg")
        rename(*arguments)

    monkeypatch.setattr(os, "rename", late)
    objects = FolderObjects(root)
    objects.put("bolt", "incoming/a.jpg", b"x", "image/jpeg")
    assert keys(objects, "", "bolt") == {"incoming/a.jpg", "incoming/b.jpg"}
    assert [one.name for one in root.iterdir() if one.name.startswith(".")] == []


def test_two_buckets_have_two_identities(root: Path) -> None:
    (root / "bolt").mkdir()
    objects = FolderObjects(root)
    assert objects.mark("acme") != objects.mark("bolt")


def test_of_two_who_mark_at_once_the_first_is_obeyed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, first = FolderObjects(root), []
    link = os.link

    def late(*arguments: str) -> None:
        monkeypatch.setattr(os, "link", link)
        first.append(other.mark("acme"))
        link(*arguments)

    monkeypatch.setattr(os, "link", late)
    assert FolderObjects(root).mark("acme") == first[0]


@pytest.mark.parametrize("ask", ["get", "head"])
def test_what_a_bucket_without_a_marker_lacks_is_unknown_and_not_gone(
    objects: FolderObjects, root: Path, ask: str
) -> None:
    """The empty mount point of a volume that is away has no marker."""
    objects.put("acme", "incoming/a.jpg", b"x", "image/jpeg")
    (root / "acme").rename(root.parent / "unmounted")
    (root / "acme").mkdir()
    with pytest.raises(StorageUnavailable, match="is its volume mounted"):
        getattr(objects, ask)("acme", "incoming/a.jpg")


def test_a_volume_that_comes_back_while_we_ask_is_believed(
    objects: FolderObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put("acme", "incoming/a.jpg", b"x", "image/jpeg")
    away, there = root.parent / "away", root / "acme"
    there.rename(away)

    def mounted(bucket: str) -> str | None:
        away.rename(there)
        return FolderObjects.identity(objects, bucket)

    monkeypatch.setattr(objects, "identity", mounted)
    assert objects.get("acme", "incoming/a.jpg").data == b"x"


def test_a_write_that_fails_leaves_the_old_object_and_no_debris(
    objects: FolderObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put("acme", "previews/a.jpg", b"old", "image/jpeg")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageUnavailable, match="No space left"):
        objects.put("acme", "previews/a.jpg", b"new", "image/jpeg")
    assert [path.name for path in (root / "acme" / "previews").iterdir()] == ["a.jpg"]
    assert objects.get("acme", "previews/a.jpg").data == b"old"


def test_a_reader_sees_an_object_whole_or_not_at_all(objects: FolderObjects) -> None:
    bodies = {bytes([n]) * 300_000 for n in range(8)}
    objects.put("acme", "p.jpg", b"\0" * 300_000, "image/jpeg")
    done = threading.Event()

    def write() -> None:
        for body in sorted(bodies) * 3:
            objects.put("acme", "p.jpg", body, "image/jpeg")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not done.is_set():
        assert objects.get("acme", "p.jpg").data in bodies
        assert keys(objects, "") == {"p.jpg"}
        seen += 1
    writer.join()
    assert seen > 0


def test_bytes_that_change_under_the_read_have_no_version(
    objects: FolderObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "acme" / "incoming" / "a.jpg"
    path.write_bytes(b"first")
    stats = iter([os.stat(path)])
    true = os.fstat

    def before(handle: int) -> os.stat_result:
        """The first look at the file is of a moment earlier than the write below."""
        return next(stats, None) or true(handle)

    path.write_bytes(b"second, longer")
    monkeypatch.setattr(os, "fstat", before)
    assert objects.get("acme", "incoming/a.jpg").version == ""


def info(objects: FolderObjects, name: str) -> ObjectInfo:
    return objects.head("acme", f"incoming/{name}")


def test_a_file_that_is_open_for_writing_is_not_complete_however_still(
    objects: FolderObjects, root: Path
) -> None:
    path = root / "acme" / "incoming" / "a.jpg"
    later = time.time() + 3600
    with path.open("wb") as file:
        file.write(b"half")
        file.flush()
        assert not objects.complete("acme", info(objects, "a.jpg"), later)
    assert objects.complete("acme", info(objects, "a.jpg"), later)
    with path.open("rb"):
        assert objects.complete("acme", info(objects, "a.jpg"), later)


def test_a_file_that_nobody_writes_to_is_complete_after_a_moment_of_stillness(
    objects: FolderObjects, root: Path
) -> None:
    (root / "acme" / "incoming" / "a.jpg").write_bytes(b"x")
    one = info(objects, "a.jpg")
    assert not objects.complete("acme", one, one.modified_at + 0.2)
    assert objects.complete("acme", one, one.modified_at + 0.3)


@pytest.mark.parametrize("why", [errno.EACCES, errno.EINVAL])
def test_where_nobody_can_tell_who_writes_a_file_must_have_been_still(
    objects: FolderObjects, root: Path, monkeypatch: pytest.MonkeyPatch, why: int
) -> None:
    (root / "acme" / "incoming" / "a.jpg").write_bytes(b"x")
    one = info(objects, "a.jpg")

    def no_leases(*_: object) -> None:
        raise OSError(why, "no leases")

    monkeypatch.setattr(fcntl, "fcntl", no_leases)
    assert not objects.complete("acme", one, one.modified_at + 0.5)
    assert objects.complete("acme", one, one.modified_at + 1.5)


def test_a_clock_that_went_backwards_does_not_hold_a_file_back_for_ever(
    objects: FolderObjects, root: Path
) -> None:
    (root / "acme" / "incoming" / "a.jpg").write_bytes(b"x")
    one = info(objects, "a.jpg")
    assert objects.complete("acme", one, one.modified_at - 86_400)


@pytest.mark.parametrize("name", ["a.jpg.part", "a.crdownload", "a.jpg~", "a.tmp", "a.PART"])
def test_names_of_unfinished_downloads_are_not_complete(
    objects: FolderObjects, root: Path, name: str
) -> None:
    (root / "acme" / "incoming" / name).write_bytes(b"x")
    assert not objects.complete("acme", info(objects, name), time.time() + 3600)


def test_hidden_files_are_nobodys_images(objects: FolderObjects, root: Path) -> None:
    (root / "acme" / "incoming" / ".DS_Store").write_bytes(b"x")
    (root / "acme" / ".trash").mkdir()
    (root / "acme" / ".trash" / "a.jpg").write_bytes(b"x")
    assert keys(objects, "") == set()


def test_what_a_listing_leaves_out_is_told_once_wherever_it_goes_on(
    objects: FolderObjects, root: Path
) -> None:
    """Nothing is told of our own files, nor of what lies below a hidden or a linked folder."""
    objects.mark("acme")
    incoming = root / "acme" / "incoming"
    (incoming / ".trash").mkdir()
    (incoming / ".trash" / "a.jpg").write_bytes(b"x")
    for name in ("b.jpg", "d.jpg", ".DS_Store", ".x.part"):
        (incoming / name).write_bytes(b"x")
    (incoming / "a").symlink_to(incoming / ".trash")
    (incoming / "c").symlink_to("nowhere")
    os.mkfifo(incoming / "e")
    whole: list[tuple[str, Aside]] = []
    pieces: list[tuple[str, Aside]] = []
    listed = [
        info.key for info in objects.listing("acme", "", "", lambda *left: whole.append(left))
    ]
    assert listed == ["incoming/b.jpg", "incoming/d.jpg"]
    assert whole == [
        ("incoming/.DS_Store", "hidden"),
        ("incoming/.trash", "hidden"),
        ("incoming/a", "link to a folder"),
        ("incoming/c", "not a file"),
        ("incoming/e", "not a file"),
    ]
    after = ""
    for key in listed:
        one = objects.listing("acme", "", after, lambda *left: pieces.append(left))
        assert next(one).key == key
        after = key
    list(objects.listing("acme", "", after, lambda *left: pieces.append(left)))
    assert pieces == whole


def test_only_folders_are_buckets(objects: FolderObjects, root: Path) -> None:
    (root / "bolt").mkdir()
    (root / ".hidden").mkdir()
    (root / "file").write_bytes(b"")
    assert objects.buckets() == ["acme", "bolt"]
    assert FolderObjects(root / "none").buckets() == []


def test_an_address_of_objects_that_is_neither_folder_nor_s3_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="begins with file:///"):
        open_objects("ftp://somewhere")


def test_a_folder_with_odd_characters_in_its_name_can_be_the_root(tmp_path: Path) -> None:
    root = tmp_path / "a b#c%20d"
    objects = open_objects(root.as_uri())
    objects.put("acme", "incoming/a.jpg", b"x", "image/jpeg")
    assert (root / "acme" / "incoming" / "a.jpg").read_bytes() == b"x"


def test_a_listing_is_in_the_order_of_keys_and_goes_on_after_any_of_them(
    objects: FolderObjects,
) -> None:
    for name in ("b/x.jpg", "b.jpg", "b-1.jpg", "a/z/1.jpg", "a.jpg", "c.jpg", "b/a.jpg"):
        objects.put("acme", f"incoming/{name}", b"x", "image/jpeg")
    listed = [info.key for info in objects.listing("acme", "incoming/")]
    assert listed == sorted(listed)
    assert len(listed) == 7
    for at, key in enumerate(listed):
        after = [info.key for info in objects.listing("acme", "incoming/", key)]
        assert after == listed[at + 1 :]


def test_a_marker_is_written_where_there_are_no_hard_links_and_everybody_may_read_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """exFAT and some network file systems have none."""

    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    first = FolderObjects(root).mark("acme")
    assert FolderObjects(root).mark("acme") == first
    assert (root / "acme" / MARKER).stat().st_mode & 0o444 == 0o444


def test_a_link_in_a_circle_among_buckets_hides_no_other(
    objects: FolderObjects, root: Path
) -> None:
    (root / "loop").symlink_to("loop")
    assert "acme" in objects.buckets()


def test_a_writer_waits_for_another_process_that_writes_over_an_object(root: Path) -> None:
    """The other holds the lock in its own process, and lets go while we pause."""
    holding = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(); input()"
    lock = root / "acme" / LOCK
    with subprocess.Popen(
        [sys.executable, "-c", holding, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        never = FolderObjects(root, pause=lambda _: None)
        with pytest.raises(StorageUnavailable, match="stopped in the middle"):
            never.put_over("acme", "a", b"lost", "text/plain", "")
        assert not (root / "acme" / "a").exists()
        patient = FolderObjects(root, pause=lambda _: other.communicate(b"\n") and None)
        assert patient.put_over("acme", "a", b"x", "text/plain", "")
    assert [path.name for path in (root / "acme").glob(".*.part")] == []


def test_other_bytes_with_the_old_time_and_size_are_another_version(
    objects: FolderObjects, root: Path
) -> None:
    objects.put("acme", "a", b"old", "text/plain")
    before, stat = objects.head("acme", "a").version, (root / "acme" / "a").stat()
    with (root / "acme" / "a").open("r+b") as file:
        file.write(b"new")
    os.utime(root / "acme" / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert objects.head("acme", "a").version != before
