"""The demo's sample set is what `expected.json` says it is."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

pytest.importorskip(
    "typst", reason="the demo's packages are not installed: pip install -e '.[demo]'"
)

from demo import variants
from demo.broken import flaws
from demo.drawings import drawings
from demo.photographs import debian_photographs, packaged_photographs
from demo.samples import TENANTS, Sample, assemble, main, write

CATEGORIES = {
    "photo",
    "screenshot",
    "banner",
    "poster",
    "slide",
    "social_card",
    "infographic",
    "illustration",
}

FEW = 4
"""Drawings that are made anew."""


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return list(assemble())


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"), "int16")


def test_each_tenant_has_every_category_and_the_set_is_large_but_light(samples):
    assert len(samples) >= 130
    assert sum(len(s.data) for s in samples) < 60e6
    assert len({s.path for s in samples}) == len(samples)
    for tenant in TENANTS:
        mine = [s for s in samples if s.path.startswith(f"{tenant}/")]
        assert {s.expect["category"] for s in mine if "category" in s.expect} == CATEGORIES


def test_every_sample_names_its_source_and_licence(samples):
    assert all(s.source and s.licence for s in samples)


def test_only_declared_duplicates_share_their_bytes_within_a_tenant(samples):
    seen = Counter(
        (s.path.split("/")[0], hashlib.sha256(s.data).digest())
        for s in samples
        if s.expect.get("duplicate") != "exact"
    )
    assert set(seen.values()) == {1}


def test_a_duplicate_follows_an_original_of_its_own_tenant(samples):
    order = {s.path: i for i, s in enumerate(samples)}
    twins = [s for s in samples if "duplicate_of" in s.expect]
    assert {s.expect["duplicate"] for s in twins} == {"exact", "near"}
    for twin in twins:
        original = samples[order[twin.expect["duplicate_of"]]]
        assert order[original.path] < order[twin.path]
        assert original.path.split("/")[0] == twin.path.split("/")[0]
        assert (original.data == twin.data) == (twin.expect["duplicate"] == "exact")


def test_a_near_duplicate_looks_like_its_original(samples):
    by_path = {s.path: s for s in samples}
    for twin in samples:
        if twin.expect.get("duplicate") == "near":
            original = variants.opened(by_path[twin.expect["duplicate_of"]].data)
            small, again = (
                np.asarray(im.convert("L").resize((16, 16)), "int16")
                for im in (original, variants.opened(twin.data))
            )
            assert np.corrcoef(small.ravel(), again.ravel())[0, 1] > 0.95, twin.path


def test_what_must_be_curated_decodes_and_what_must_fail_does_not(samples):
    for sample in samples:
        if sample.path.endswith((".heic", ".dng")):
            continue  # Pillow alone does not read them
        if sample.expect["status"] == "curated":
            pixels(sample.data)
        elif sample.expect["failure_class"] != "too_many_pixels":
            with pytest.raises((OSError, SyntaxError)):
                pixels(sample.data)


def test_the_bomb_is_small_and_declares_billions_of_pixels(samples):
    (bomb,) = [s for s in samples if s.expect.get("failure_class") == "too_many_pixels"]
    assert len(bomb.data) < 1_000_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(bomb.data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_photograph_is_upright_when_its_flag_is_obeyed(orientation):
    gradient = Image.merge("RGB", [Image.linear_gradient("L").resize((96, 64))] * 3)
    gradient.paste("red", (0, 0, 24, 16))
    shown = pixels(variants.rotated(gradient, orientation))
    assert shown.shape == (64, 96, 3)
    assert np.abs(shown - np.asarray(gradient, "int16")).mean() < 4


def test_sixteen_bit_files_use_more_than_eight_bits():
    picture = variants.opened(packaged_photographs()[0].data)
    for kind in ("PNG", "TIFF"):
        levels = np.unique(np.asarray(Image.open(io.BytesIO(variants.sixteen_bit(picture, kind)))))
        assert levels.max() > 255
        assert levels.size > 256


def test_a_dng_develops_to_the_photograph_it_was_made_from(tmp_path):
    rawpy = pytest.importorskip("rawpy")
    picture = variants.opened(packaged_photographs()[5].data)
    path = tmp_path / "picture.dng"
    path.write_bytes(variants.dng(picture))
    with rawpy.imread(str(path)) as raw:
        developed = raw.postprocess(use_camera_wb=True)
    assert developed.shape[:2] == (picture.height, picture.width)
    difference = developed.mean((0, 1)) - np.asarray(picture).mean((0, 1))
    assert np.abs(difference).max() < 20


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(samples):
    first = [s.data for s in samples if s.source == "demo/drawings.py"][:FEW]
    assert first == [drawing.data for drawing in islice(drawings(7), FEW)]
    assert any(one != other.data for one, other in zip(first, drawings(8), strict=False))


def test_writing_replaces_an_older_set_and_lists_every_file(tmp_path):
    sample = Sample("acme/a/b c.jpg", "photo", b"bytes", "here", "CC0-1.0")
    write(iter([sample]), tmp_path)
    (tmp_path / "globex").mkdir()
    (tmp_path / "globex" / "stale.jpg").write_bytes(b"old")
    write(iter([sample]), tmp_path)
    (entry,) = json.loads((tmp_path / "expected.json").read_text())
    assert (tmp_path / entry["path"]).read_bytes() == b"bytes"
    assert entry["expect"] == {"status": "curated"}
    assert not (tmp_path / "globex" / "stale.jpg").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main([str(tmp_path), "--no-debian"]) == 2
    assert "name an empty or a new folder" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_apt_there_are_simply_no_debian_photographs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(debian_photographs(tmp_path / "cache")) == []


def test_an_interrupted_download_leaves_nothing_that_looks_complete(tmp_path, monkeypatch):
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    apt.write_text("#!/bin/sh\nexit 100\n")
    apt.chmod(0o755)
    (apt.parent / "dpkg-deb").symlink_to(apt)
    monkeypatch.setenv("PATH", f"{apt.parent}:/bin:/usr/bin")
    cache = tmp_path / "cache"
    assert list(debian_photographs(cache)) == []
    assert list(cache.iterdir()) == []


def test_a_truncated_file_is_a_strict_beginning_of_a_real_one():
    photograph = next(p for p in packaged_photographs() if p.name == "mug")
    png = next(p for p in packaged_photographs() if p.name == "chelsea")
    for flaw in flaws(photograph.data, png.data, png.data):
        if flaw.failure_class == "truncated":
            whole = photograph.data if flaw.name.endswith(".jpg") else png.data
            assert whole.startswith(flaw.data)
            assert 0 < len(flaw.data) < len(whole)


def test_the_command_writes_both_tenants(tmp_path: Path, monkeypatch, capsys):
    few = [Sample(f"{t}/x.png", "photo", b"x", "here", "CC0-1.0") for t in TENANTS]
    monkeypatch.setattr("demo.samples.assemble", lambda seed, cache: iter(few))
    assert main([str(tmp_path / "set"), "--no-debian"]) == 0
    assert "acme: 1 files" in capsys.readouterr().out
