"""Which releases need a run that writes them. Pure: it follows from what Truth and Dagster say.

A run that Dagster believes to be alive may be dead: its process may have died together with what
would have reported that. So a run counts only while the writer of its release gives signs of life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parjanya_dagster.truth.releases import Release

ATTENDED = 300.0  # seconds for which a writer is believed to live after its last sign
FIRST_WAIT, LONGEST_WAIT = 30.0, 6 * 3600.0  # seconds after a failed run


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of Dagster that writes a release."""

    run_id: str
    began_at: float | None  # when its process began; None: it waits
    ended_at: float | None = None  # None: it is alive, as far as Dagster knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What is to be done about open releases."""

    ask: Sequence[Release]  # for a run each
    dead: Sequence[Run]  # runs that Dagster takes for alive


def needed(open_: Sequence[Release], runs: Mapping[str, Sequence[Run]], now: float) -> Needed:
    """`runs`: by key of their release, in any order."""
    ask, dead = [], []
    for release in open_:
        known = runs.get(release.key, ())
        alive = [run for run in known if run.ended_at is None]
        gone = [run for run in alive if _is_dead(release, run, now)]
        dead += gone
        if len(alive) == len(gone) and _is_due(release, known, now):
            ask.append(release)
    return Needed(ask=ask, dead=dead)


def _is_dead(release: Release, run: Run, now: float) -> bool:
    if run.began_at is None:
        return False
    return max(release.attended_until, run.began_at + ATTENDED) < now


def _is_due(release: Release, runs: Sequence[Run], now: float) -> bool:
    ended = [run.ended_at for run in runs if run.ended_at is not None]
    last_sign = release.attended_until - ATTENDED
    if release.attended_until > now and not any(at >= last_sign for at in ended):
        return False  # somebody writes it, such as the command line
    if not ended:
        return True
    return now >= max(ended) + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (len(ended) - 1))
