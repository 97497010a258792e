"""Rows that are due later than any wait there is: a clock was ahead when their time was written.

Nobody would look at them until then. They are found from state, by whoever compares Truth with what
runs, and pulled back.
"""

from __future__ import annotations

from collections.abc import Callable

from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.transitions import HOUR, Rules

log = get_logger(__name__)
TRUSTED = 60.0  # seconds by which our clock may differ from Truth's while we correct times by it
MOST = 2000  # rows at once
EVERY = 600.0  # seconds from one look to the next: such rows are due hours from now


def too_late(now: float, lease: float) -> float:
    """No row is due later than this, and no lease ends later, unless a clock is wrong."""
    return now + max(Rules().longest_wait, lease) + HOUR


def may_be_looked_for(now: float, last: float | None) -> bool:
    """Whether it is time for a look, by when the last reconciliation was. The first one of ten
    minutes looks, so that nobody must remember when that was."""
    return last is None or now // EVERY != last // EVERY


def pull_back_all(store: Store, lease: float, clock: Callable[[], float], deadline: float) -> None:
    """Make all such rows due, if that is done by the deadline. The next look goes on."""
    while pull_back(store, clock(), lease) == MOST and clock() < deadline:
        pass


def pull_back(store: Store, now: float, lease: float) -> int:
    """Make such rows due. Returns how many. None where the clock that is wrong may be ours."""
    than = too_late(now, lease)
    rows = store.due_later(than, MOST)
    if not rows:
        return 0
    skew = store.clock_skew()
    if skew is not None and abs(skew) > TRUSTED:
        log.warning("due_times_not_corrected", rows=len(rows), skew=round(skew))
        return 0
    pulled = store.pull_back([row.image_id for row in rows], now, lease, than)
    log.warning("due_times_corrected", rows=pulled)
    return pulled
