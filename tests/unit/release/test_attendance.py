"""A release that nobody writes gets a run, and one that somebody writes gets none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parjanya_dagster.release.attendance import ATTENDED, FIRST_WAIT, LONGEST_WAIT, Run, needed
from parjanya_dagster.truth.releases import Release

NOW = 1_760_000_000.0
OPEN = Release(
    tenant="acme",
    name="birds",
    version=1,
    release_id="a" * 64,
    selection={},
    counts={},
    images=1,
    created_at=NOW - 9,
    created_by="ann",
)


def asked(release: Release, *runs: Run, now: float = NOW) -> tuple[int, list[str]]:
    found = needed([release], {release.key: runs}, now)
    return len(found.ask), [run.run_id for run in found.dead]


def attended(at: float) -> Release:
    """Somebody gave a sign then."""
    return replace(OPEN, attended_until=at + ATTENDED)


def failed(at: float, name: str = "r1") -> Run:
    return Run(run_id=name, began_at=None, ended_at=at)


def test_a_new_release_is_asked_for_once() -> None:
    assert asked(OPEN) == (1, [])
    assert asked(OPEN, Run(run_id="r1", began_at=None)) == (0, [])
    assert asked(attended(NOW - 10), Run(run_id="r1", began_at=NOW - 60)) == (0, [])


def test_what_the_command_line_writes_is_left_alone_until_it_is_silent() -> None:
    assert asked(attended(NOW - 10)) == (0, [])
    assert asked(attended(NOW - ATTENDED - 1)) == (1, [])


def test_a_run_that_began_and_gives_no_sign_is_dead_whatever_dagster_says() -> None:
    run = Run(run_id="r1", began_at=NOW - ATTENDED - 1)
    assert asked(attended(NOW - ATTENDED - 1), run) == (1, ["r1"])
    assert asked(OPEN, replace(run, began_at=NOW - 5)) == (0, [])  # it has not come to its first


def test_a_killed_run_is_followed_soon_and_does_not_wait_for_its_own_last_sign() -> None:
    assert asked(attended(NOW - 40), failed(NOW - FIRST_WAIT - 1)) == (1, [])
    assert asked(attended(NOW - 40), failed(NOW - FIRST_WAIT + 1)) == (0, [])


@pytest.mark.parametrize("times", [1, 2, 5, 40])
def test_a_run_that_fails_again_and_again_is_asked_for_more_and_more_seldom(times: int) -> None:
    runs = [failed(NOW - n, f"r{n}") for n in range(times)]
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (times - 1))
    assert asked(OPEN, *runs, now=NOW + wait - 1) == (0, [])
    assert asked(OPEN, *runs, now=NOW + wait) == (1, [])
