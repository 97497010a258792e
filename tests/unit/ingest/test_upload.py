"""Uploads by hand: what is named is copied, or it is said why not. Nothing goes in silence."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.ingest.copy_files import HIDDEN, VANISHED, collect, upload, with_sidecars
from parjanya_dagster.platform import Platform

FOREVER = 1e12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "2024" / "may").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "2024" / "may" / "b.jpg").write_bytes(b"b")
    (folder / ".hidden").write_bytes(b"h")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "c.jpg").write_bytes(b"c")
    return folder


def test_a_folder_keeps_its_structure_below_its_name_and_leaves_hidden_files_out(
    folder: Path,
) -> None:
    found = collect([folder])
    assert [one.key for one in found.uploads] == [
        "incoming/photos/a.jpg",
        "incoming/photos/2024/may/b.jpg",
    ]
    assert found.refused == {}
    assert found.aside == {str(folder / ".hidden"): "hidden", str(folder / ".cache"): "hidden"}


def test_a_single_file_lands_under_its_name(folder: Path) -> None:
    assert [one.key for one in collect([folder / "a.jpg"]).uploads] == ["incoming/a.jpg"]


def test_the_present_folder_is_known_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert "incoming/photos/a.jpg" in {one.key for one in collect([Path(".")]).uploads}


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        collect([tmp_path / "nothing"])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("line\nbreak.jpg", "U+000A"),
        ("line\u2028break.jpg", "line separator U+2028"),
        (os.fsdecode(b"not-\xff-utf8.jpg"), "not UTF-8"),
        (".hidden.jpg", "hidden"),
        ("a.jpg.part", "unfinished download"),
        ("a.jpg~", "unfinished download"),
    ],
)
def test_a_file_that_would_never_be_curated_under_its_name_is_named(
    tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    found = collect([tmp_path / name])
    assert found.uploads == []
    ((shown, said),) = found.refused.items()
    shown.encode("utf-8")
    assert why in said


def test_pipes_and_dangling_links_are_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("nowhere")
    found = collect([tmp_path, tmp_path / "pipe.jpg", tmp_path / "link.jpg"])
    assert found.uploads == []
    assert len(found.refused) == 2
    assert set(found.refused.values()) == {
        "It is neither a file nor a folder.",
        "It is a link that leads nowhere.",
    }


def test_a_hidden_folder_that_is_named_is_refused_and_not_copied_in_silence(folder: Path) -> None:
    found = collect([folder / ".cache"])
    assert found.uploads == []
    assert found.refused == {str(folder / ".cache"): HIDDEN}


def test_links_to_folders_sidecars_and_films_are_set_aside_and_told(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "e.jpg").write_bytes(b"e")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    for name in ("a.xmp", "a.jpg.json", "clip.MOV", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    found = collect([folder])
    assert len(found.uploads) == 2
    assert found.refused == {}
    assert Counter(found.aside.values()) == {
        "hidden": 2, "link to a folder": 1, "sidecar": 2, "film": 1, "system file": 1
    }  # fmt: skip


def test_a_file_that_vanishes_is_named_and_stops_no_other(platform: Platform, folder: Path) -> None:
    tenant = platform.sweeper.add_tenant("acme")
    found = collect([folder])
    (folder / "a.jpg").unlink()
    copied = list(upload(platform.objects, tenant, found.uploads, found.refused))
    assert [one.path.name for one in copied] == ["b.jpg"]
    assert found.refused == {str(folder / "a.jpg"): VANISHED}


def test_a_folder_that_cannot_be_listed_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def denied(path: str) -> Any:
        if str(path).endswith("2024"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    found = collect([folder])
    assert [one.path.name for one in found.uploads] == ["a.jpg"]
    assert found.refused == {str(folder / "2024"): "It cannot be listed: Permission denied."}


def test_two_files_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.jpg").write_bytes(side.encode())
    found = collect([tmp_path / "left" / "a.jpg", tmp_path / "right" / "a.jpg"])
    assert [one.path.parent.name for one in found.uploads] == ["left"]
    assert "Ingest it by its folder" in found.refused[str(tmp_path / "right" / "a.jpg")]


def test_the_same_file_named_twice_is_one_upload(folder: Path) -> None:
    found = collect([folder / "a.jpg", folder / "a.jpg", folder, folder])
    assert len(found.uploads) == 3
    assert found.refused == {}


def test_an_upload_is_in_the_bucket_when_it_is_yielded(platform: Platform, folder: Path) -> None:
    tenant = platform.sweeper.add_tenant("acme")
    for one in upload(platform.objects, tenant, collect([folder]).uploads):
        assert platform.objects.get("acme", one.key).data == one.path.read_bytes()


def test_uploading_again_makes_no_new_version_of_what_is_there_already(
    platform: Platform, folder: Path
) -> None:
    tenant = platform.sweeper.add_tenant("acme")
    uploads = collect([folder]).uploads
    for _ in range(2):
        assert len(list(upload(platform.objects, tenant, uploads))) == 2
    assert sum(platform.sweeper.sweep(FOREVER).registered.values()) == 2
    list(upload(platform.objects, tenant, uploads))
    assert platform.sweeper.sweep(FOREVER).registered == {}


@pytest.mark.parametrize(
    ("data", "states"),
    [(b"longer", ["present", "replaced"]), (b"A", ["present"])],
    ids=["of another size", "as long as what nobody read yet"],
)
def test_other_bytes_under_the_same_key_are_a_new_version(
    platform: Platform, folder: Path, data: bytes, states: list[str]
) -> None:
    tenant = platform.sweeper.add_tenant("acme")
    list(upload(platform.objects, tenant, collect([folder / "a.jpg"]).uploads))
    platform.sweeper.sweep(FOREVER)
    (folder / "a.jpg").write_bytes(data)
    list(upload(platform.objects, tenant, collect([folder / "a.jpg"]).uploads))
    platform.sweeper.sweep(FOREVER)
    rows = platform.store.find("incoming/a.jpg", "acme")
    assert sorted(row.object_state for row in rows) == states
    assert platform.objects.head("acme", "incoming/a.jpg").version == rows[0].version


def test_sidecars_come_before_their_image_and_nothing_else_comes(folder: Path) -> None:
    for name in ("a.jpg.xmp", "a.xmp", "a.jpg.json", "other.json", "a.aae"):
        (folder / name).write_text("{}")
    (folder / "2024" / "may" / "b.xmp").write_bytes(bytes(2 << 20))  # too large to be read
    os.mkfifo(folder / "2024" / "may" / "b.jpg.xmp")
    (folder / "2024" / "may" / "b.jpg.json").symlink_to(folder / "nowhere")
    keys = [
        one.key.removeprefix("incoming/photos/") for one in with_sidecars(collect([folder]).uploads)
    ]
    assert keys == ["a.jpg.xmp", "a.xmp", "a.jpg.json", "a.jpg", "2024/may/b.jpg"]


def test_a_sidecar_that_two_images_share_comes_once_and_before_both(folder: Path) -> None:
    (folder / "a.tif").write_bytes(b"t")
    (folder / "a.xmp").write_text("x")
    found = with_sidecars(collect([folder / "a.jpg", folder / "a.tif"]).uploads)
    assert [one.key for one in found] == ["incoming/a.xmp", "incoming/a.jpg", "incoming/a.tif"]
