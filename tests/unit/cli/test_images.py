"""parjanya images, catalog and explain, as somebody types them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from parjanya_dagster.catalog import FILE
from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import AmbiguousImage, LikenessUnknown, QueryInvalid, SettingsInvalid
from parjanya_dagster.execution.engines import fit_embedder_of
from parjanya_dagster.platform import Platform
from tests.support.desk_site import DeskSite
from tests.support.pictures import picture
from tests.support.printed import printed, printed_lines

Run = Callable[..., Result]


@pytest.fixture
def run(platform: Platform) -> Run:
    platform.registry.publish_builtin()
    site = DeskSite(platform)
    site.add("acme", "holiday/Dune.jpg", "work/Dune.jpg", verdict="reject")
    site.add("bolt", "three.jpg", verdict="accept")
    site.desk.catalog.close()
    return lambda *words: CliRunner().invoke(app, [*words, "--home", str(platform.settings.home)])


def listed(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return sorted(json.loads(line)["name"] for line in result.stdout.splitlines())


def test_images_are_listed_by_what_is_known_of_them(run: Run) -> None:
    dunes = ["holiday/Dune.jpg", "work/Dune.jpg"]
    assert listed(run("images", "--json")) == [*dunes[:1], "three.jpg", *dunes[1:]]
    assert listed(run("images", "--json", "--verdict", "reject")) == dunes
    assert listed(
        run("images", "--json", "--tenant", "bolt", "--tenant", "acme", "--text", "thr")
    ) == ["three.jpg"]
    assert len(listed(run("images", "--json", "--limit", "2"))) == 2
    assert listed(run("images", "--json", "--since", "2999-01-01")) == []
    assert len(listed(run("images", "--json", "--since", "2000-01-01"))) == 3
    assert "three.jpg" in run("images").stdout
    assert isinstance(run("images", "--sort", "beauty").exception, QueryInvalid)


@pytest.mark.parametrize(
    "asked",
    ["--since=2024-13-45", "--since=1/2/2026", "--since=20260102", "--verdict=acept"],
)
def test_a_filter_that_means_nothing_is_refused_and_no_empty_or_full_list(
    run: Run, asked: str
) -> None:
    assert isinstance(run("images", asked).exception, QueryInvalid)


def test_images_are_listed_by_language_faces_and_camera(run: Run, platform: Platform) -> None:
    """As detectors and cameras recorded it: here it is written into the evidence of one image."""
    truth, (image, *_) = platform.settings.truth_file, platform.store.present("bolt", "", 1)
    assert truth is not None
    platform.store.close()
    said = {
        "enriched": {"language": {"code": "de"}, "faces": {"count": 3}},
        "validated": {"exif": {"camera_make": "Brand", "camera_model": "X"}},
    }
    with closing(sqlite3.connect(truth)) as other, other:
        for stage, body in said.items():
            other.execute(
                "UPDATE evidence SET body = ? WHERE image_id = ? AND stage = ?",
                [json.dumps(body), image.image_id, stage],
            )
    (platform.settings.home / FILE).unlink()
    assert listed(run("images", "--json", "--language", "de")) == ["three.jpg"]
    assert listed(run("images", "--json", "--faces", "2-4", "--faces", "0")) == ["three.jpg"]
    assert listed(run("images", "--json", "--camera", "Brand X")) == ["three.jpg"]
    assert listed(run("images", "--json", "--camera", "Brand Y")) == []


def test_paths_are_those_of_files(run: Run) -> None:
    paths = [Path(line) for line in run("images", "--paths", "--text", "dune").stdout.splitlines()]
    assert len(paths) == 2
    assert all(path.is_file() for path in paths)


def test_a_catalog_is_built_anew_where_it_is_gone(platform: Platform, run: Run) -> None:
    (platform.settings.home / FILE).unlink()
    assert len(listed(run("images", "--json"))) == 3
    assert "3 images of 2 batches" in run("catalog", "rebuild").stdout


def test_explain_takes_a_name_and_lists_several(run: Run) -> None:
    assert "three.jpg  (bolt)" in run("explain", "three.jpg").stdout
    several = run("explain", "Dune.jpg").exception
    assert isinstance(several, AmbiguousImage)
    assert "holiday/Dune.jpg" in str(several)


def test_a_report_has_the_view_that_its_options_name(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = run("report", str(report), "--verdict", "reject", "--limit", "1", "--pictures", "none")
    assert done.exit_code == 0, done.output
    assert "1 images are in" in done.stdout
    assert "1 more are counted and left out." in done.stdout
    assert "Dune.jpg" in report.read_text()
    assert "three.jpg" not in report.read_text()
    for wrong in (["--pictures", "linked"], [str(tmp_path / "nowhere" / "report.html")]):
        assert isinstance(run("report", *wrong).exception, SettingsInvalid)


def test_images_like_words_are_printed_as_those_like_an_image(
    platform: Platform, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of this home knows no words. Here it takes all words for the first direction."""
    embedder = fit_embedder_of(platform.settings)
    dog = np.eye(1, embedder.dimension, dtype=np.float32)
    monkeypatch.setattr(type(embedder), "embed_words", lambda self, texts: dog)
    assert run("embeddings", "make").exit_code == 0
    done = run("images", "--like-words", "a dog", "--tenant", "acme", "--json")
    assert {one["tenant"] for one in printed_lines("images --like-words", done.stdout)} == {"acme"}


def test_images_like_one_and_like_a_picture(platform: Platform, run: Run, tmp_path: Path) -> None:
    first, second = (
        row.image_id for row in sorted(platform.store.present("acme"), key=lambda row: row.key)
    )
    made = printed("embeddings make", run("embeddings", "make", "--json").stdout)
    assert (made["made"], made["failed"]) == (3, 0)
    again = run("embeddings", "make", "--tenant", "acme", "--json").stdout
    assert printed("embeddings make", again)["there"] == 2
    counted = printed("embeddings show", run("embeddings", "show", "--json").stdout)
    assert counted["tenants"]["bolt"] == {"vectors": 1, "missing": 0}
    (told,) = printed_lines("images --like", run("images", "--like", first, "--json").stdout)
    assert told["image_id"] == second
    shown = tmp_path / "shown.jpg"
    shown.write_bytes(picture(0, 64, 48))
    (path,) = run("images", "--like", str(shown), "--tenant", "bolt", "--paths").stdout.split()
    assert path.endswith("three.jpg")
    assert run("images", "--like", "Dune.jpg").exception is not None  # there are two
    heaps = run("embeddings", "clusters", "--tenant", "acme", "-k", "5", "--json").stdout
    assert [one["images"] for one in printed_lines("embeddings clusters", heaps)] == [1, 1]
    of_mine = run("embeddings", "clusters", "-t", "acme", "--of", first, "--json").stdout
    (mine,) = printed_lines("embeddings clusters --of", of_mine)
    assert (mine["image_id"], mine["tenant"]) == (first, "acme")
    odd = run("embeddings", "outliers", "--tenant", "acme", "--json").stdout
    assert len(printed_lines("embeddings outliers", odd)) == 2
    assert first in run("embeddings", "outliers", "--tenant", "acme").stdout
    words = ("images", "--like-words", "a dog")
    assert isinstance(run(*words, "--tenant", "acme").exception, LikenessUnknown)
    assert isinstance(run(*words).exception, QueryInvalid)
    for wrong in (["--tenant", "acme", "--tenant", "bolt"], ["--text", "x"], []):
        assert isinstance(run("images", "--like", str(shown), *wrong).exception, QueryInvalid)
