"""parjanya release, as somebody types it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import (
    ParjanyaError,
    ReleaseInvalid,
    StorageUnavailable,
    UnknownRelease,
)
from parjanya_dagster.objects.local import FolderObjects
from parjanya_dagster.objects.store import Object
from parjanya_dagster.platform import Platform
from parjanya_dagster.truth.releases import WITHDRAWN
from tests.support.printed import printed
from tests.support.releases import PICTURES

Run = Callable[..., Result]


@pytest.fixture
def run(decided: Platform, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LOGNAME", "ana")

    def run(command: str, *arguments: str) -> Result:
        home = str(decided.settings.home)
        given = [command, *arguments, "--home", home]
        if command != "list":
            given += ["--tenant", "acme"]
        result = CliRunner().invoke(app, ["release", *given])
        if isinstance(result.exception, ParjanyaError):
            raise result.exception
        return result

    return run


def listed(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = printed("release list", run("list", "--json").stdout)
    return found


def test_a_release_is_created_listed_shown_and_verified(run: Run) -> None:
    made = run("create", "--name", "birds", "--split", "train=0.5,test=0.5",
               "--format", "parquet,webdataset", "--json")  # fmt: skip
    assert made.exit_code == 0, made.output
    told = printed("release create", made.stdout)
    assert (told["state"], told["images"], told["created_by"]) == ("complete", PICTURES + 1, "ana")
    assert f"{PICTURES + 1} images" in made.stderr
    assert Path(told["place"], "README.md").is_file()
    assert "acme/birds@1" in run("list").stdout
    shown = run("show", "birds").stdout
    assert "view     verdict=accept" in shown
    assert "ann 1" in shown
    verified = run("verify", "birds@1", "--json")
    assert (verified.exit_code, printed("release verify", verified.stdout)["wrong"]) == (0, [])
    Path(told["place"], "README.md").write_text("other")
    spoiled = run("verify", "birds@1")
    assert (spoiled.exit_code, "README.md has other bytes" in spoiled.stdout) == (1, True)


def test_what_was_not_written_is_resumed(run: Run) -> None:
    begun = printed(
        "release create", run("create", "--name", "birds", "--no-write", "--json").stdout
    )
    assert begun["state"] == "writing"
    with pytest.raises(ReleaseInvalid, match="never complete"):
        run("verify", "birds")
    resumed = printed("release resume", run("resume", "birds", "--json").stdout)
    assert resumed["state"] == "complete"
    shown = printed("release show", run("show", "birds", "--json").stdout)
    assert [{**one, "place": shown["place"]} for one in listed(run)] == [shown]


def test_a_withdrawn_image_names_every_release_that_holds_it(decided: Platform, run: Run) -> None:
    run("create", "--name", "birds")
    run("create", "--name", "people", "--where", "decided_by=ann")
    with pytest.raises(ReleaseInvalid, match="--reason"):
        run("withdraw", "1.jpg")
    gone = run("withdraw", "1.jpg", "--reason", "the person asked")
    assert gone.exit_code == 0
    assert "acme/birds@1 holds it" in gone.stdout
    assert "people" not in gone.stdout
    assert "It is withdrawn: the person asked" in run("verify", "birds@1").stdout
    next_one = run("create", "--name", "birds", "--json")
    assert "1 images are left out: withdrawn" in next_one.stderr
    told = printed("release create", next_one.stdout)
    assert (told["version"], told["images"]) == (2, PICTURES)
    (row,) = decided.store.find("incoming/1.jpg")
    given_again = run("withdraw", str(row.sha256), "--reason", "again", "--json")
    again = printed("release withdraw", given_again.stdout)
    assert [one["release"] for one in again["releases"]] == ["acme/birds@1"]
    withdrawn = {one["version"]: one["held"] for one in listed(run) if one["name"] == "birds"}
    assert withdrawn == {1: [row.sha256], 2: []}
    assert again["image"]["reason"] == "the person asked"


def test_a_release_whose_list_is_gone_is_told_as_not_known(decided: Platform, run: Run) -> None:
    run("create", "--name", "birds")
    shutil.rmtree(decided.settings.home / "buckets" / "acme" / "releases" / "lists")
    gone = run("withdraw", "1.jpg", "--reason", "asked")
    assert gone.exit_code == 1
    assert "not known whether it holds it" in gone.stdout


def test_a_release_whose_list_cannot_be_read_now_keeps_no_other_from_being_withdrawn(
    decided: Platform, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("birds", "people"):  # lists of their own, since their options differ
        run("create", "--name", name, "--description", name, "--no-write")
    first, _ = decided.store.releases("acme")
    get = FolderObjects.get

    def failing(self: FolderObjects, bucket: str, key: str, version: str = "") -> Object:
        if first.release_id in key:
            raise StorageUnavailable("Cannot read it: Input/output error")
        return get(self, bucket, key, version)

    monkeypatch.setattr(FolderObjects, "get", failing)
    gone = run("withdraw", "1.jpg", "--reason", "asked")
    assert gone.exit_code == 1
    assert "acme/birds@1: not known whether it holds it" in gone.stdout
    assert "acme/people@1 holds it, and is withdrawn" in gone.stdout


def test_an_image_that_is_withdrawn_while_a_release_is_written_withdraws_it(
    decided: Platform, run: Run
) -> None:
    run("create", "--name", "birds", "--no-write")
    store = decided.store
    (begun,) = store.open_releases()
    run("withdraw", "1.jpg", "--reason", "asked")
    assert store.open_releases() == []
    with pytest.raises(ReleaseInvalid, match="is withdrawn: asked"):
        run("resume", "birds")
    assert store.find_release("acme", "birds", begun.version).state == WITHDRAWN  # type: ignore[union-attr]


def test_one_release_alone_is_withdrawn_by_its_version(run: Run) -> None:
    run("create", "--name", "birds")
    done = run("withdraw", "birds@1", "--reason", "wrong licence", "--json")
    told = printed("release withdraw", done.stdout)
    assert (told["state"], told["withdrawn_by"], told["held"]) == ("withdrawn", "ana", [])


def test_a_difference_names_what_came_went_and_changed(run: Run) -> None:
    run("create", "--name", "birds")
    run("create", "--name", "birds", "--where", "decided_by=policy", "--split", "a=0.5,b=0.5")
    told = printed("release diff", run("diff", "birds@1", "birds@2", "--json").stdout)
    assert [one["key"] for one in told["removed"]] == ["incoming/copy.jpg"]
    assert told["added"] == []
    assert {name for one in told["changed"] for name in one["fields"]} >= {"split"}
    assert "1 removed" in run("diff", "birds@1", "birds@2").stdout


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--split", "train=0.8"), "sum to 0.8"),
        (("--split", "train=0.5,train=0.5"), "each name once"),
        (("--split", "../x=1"), "is no split"),
        (("--format", "zip"), "no format 'zip'"),
        (("--bytes", "tiny"), "no bytes 'tiny'"),
        (("--bytes", "resized", "--side", "4000"), "16 to 1024"),
        (("--where", "colour=red"), "A view has no colour"),
        (("--where", "tenant=other"), "images of one tenant"),
        (("--where", "category=poster"), "No decided image"),
        (("--name", "../x"), "does not name a release"),
        (("--as", " "), "Who makes the release"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    run: Run, wrong: tuple[str, ...], says: str
) -> None:
    name = () if "--name" in wrong else ("--name", "birds")
    with pytest.raises(ReleaseInvalid, match=says):
        run("create", *name, *wrong)
    assert "Nothing was released yet" in run("list").stdout


def test_a_release_that_is_not_there(run: Run) -> None:
    with pytest.raises(UnknownRelease, match="release list"):
        run("show", "birds@7")
