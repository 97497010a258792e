"""parjanya review, as somebody types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from parjanya_dagster.cli.main import app
from parjanya_dagster.errors import ReviewRefused
from parjanya_dagster.platform import Platform
from tests.support.printed import printed
from tests.unit.review.world import waiting

Run = Callable[..., Result]


@pytest.fixture
def run(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LOGNAME", "ana")

    def run(*arguments: str) -> Result:
        home = str(platform.settings.home)
        return CliRunner().invoke(app, ["review", *arguments, "--home", home])

    return run


def test_what_waits_is_decided_by_the_beginning_of_its_id(platform: Platform, run: Run) -> None:
    first, second, third = waiting(platform.store, 3)
    listed = run("list")
    assert "acme: 3 wait" in listed.stdout
    assert first[:12] in listed.stdout
    done = run("accept", first[:12], second, "--note", "fine")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("accept counts") == 2
    assert [row.image_id for row in platform.store.to_review("acme")] == [third]
    (review,) = platform.store.reviews(first)
    assert (review.who, review.note) == ("ana", "fine")
    undone = run("undo", first[:12], "--as", "ben", "--json")
    assert printed("review undo", undone.stdout)[0]["effective_verdict"] == "review"
    assert platform.store.reviews(first)[-1].who == "ben"
    (again,) = printed("review accept", run("accept", third, "--json").stdout)
    assert (again["image_id"], again["effective_verdict"]) == (third, "accept")


def test_an_image_is_named_by_its_key_too(platform: Platform, run: Run) -> None:
    (image,) = waiting(platform.store, 1)
    row = platform.store.get(image)
    assert row is not None
    (told,) = printed("review reject", run("reject", row.key, "--json").stdout)
    assert (told["image_id"], told["result"]) == (image, "done")
    assert platform.store.reviews(image)[-1].action == "reject"


def test_a_list_becomes_a_file_that_may_be_applied_twice(
    platform: Platform, run: Run, tmp_path: Path
) -> None:
    waiting(platform.store, 2)
    listed = printed("review list", run("list", "--json", "--order", "doubt").stdout)
    assert [one["policy_verdict"] for one in listed] == ["review", "review"]
    listed[0]["verdict"], listed[1]["verdict"] = "accept", "reject"
    file = tmp_path / "decisions.json"
    file.write_text(json.dumps([*listed, {"image": "none", "verdict": "accept"}]))
    first = run("apply", str(file), "--json")
    assert first.exit_code == 1  # one is not known
    assert [one["result"] for one in printed("review apply", first.stdout)] == [
        "done",
        "done",
        "unknown",
    ]
    again = run("apply", str(file))
    assert "line 3: unknown" in again.stdout
    assert [len(platform.store.reviews(one["image_id"])) for one in listed] == [1, 1]


def test_a_stale_line_says_who_decided_meanwhile(
    platform: Platform, run: Run, tmp_path: Path
) -> None:
    (image,) = waiting(platform.store, 1)
    file = tmp_path / "mine.csv"
    file.write_text(f"image,seen\n{image},0\n")
    run("reject", image, "--as", "ben")
    stale = run("accept", "--from", str(file))
    assert stale.exit_code == 1
    assert "reject by ben" in stale.stdout
    assert platform.store.reviews(image)[-1].who == "ben"


def test_copies_are_decided_with_it(platform: Platform, run: Run) -> None:
    first, *_ = waiting(platform.store, 3)
    assert run("reject", first, "--copies").stdout.count("reject counts") == 3


def test_nothing_to_decide_is_said(platform: Platform, run: Run) -> None:
    assert isinstance(run("accept").exception, ReviewRefused)
    assert isinstance(run("list", "--order", "size").exception, ReviewRefused)
