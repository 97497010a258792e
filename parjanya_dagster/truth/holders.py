"""Processes that hold rows under long leases, and say by one record that they live. Pure.

A row is free when its own lease has ended, or when the record of its owner has. Where there is no
record, leases mean what they always did. So a lost record costs time, and hides no row for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.records import Holder

LONG = 1800.0
"""Seconds of a lease whose owner has a record. Such a row stays away no longer if that is lost."""
OF = "~"  # between a run and its process, in the name of an owner
LATE = 60.0  # seconds by which an index, or a commit that keeps rows, may be late
AHEAD = 3600.0  # seconds by which a record may end later than now and still be believed


def named(row: ImageRow) -> str:
    """A row that is leased, as the hand of its holder names it.

    Once its outcome is committed it has another name, also if it is kept. The record may be older.
    """
    return f"{row.image_id} {row.fence}"


def owner_of(run_id: str, process: str) -> str:
    """Who owns the leases of one process, where several may bear the id of a run, one after the
    other: so the record of one that died says nothing of another's rows."""
    return f"{run_id}{OF}{process}"


def run_of(owner: str) -> str:
    """The run of an owner of leases."""
    return owner.rpartition(OF)[0] or owner


def by_run(leases: Mapping[str, float]) -> dict[str, float]:
    """The end of the last lease of each run, of those of owners."""
    last: dict[str, float] = {}
    for owner, until in leases.items():
        last[run_of(owner)] = max(last.get(run_of(owner), 0.0), until)
    return last


def is_dead(holder: Holder | None, now: float) -> bool:
    """Whether the process of a record is presumed dead. Without a record, nothing is known."""
    return holder is not None and holder.until <= now


def as_held(row: ImageRow, holder: Holder | None) -> ImageRow:
    """A row whose lease ends when it really does: with the record of its owner, if that is first.

    `holder`: the record of the lease's owner, if it has one.
    """
    if holder is None or row.lease_until is None:
        return row
    return replace(row, lease_until=min(row.lease_until, holder.until))


def is_over(holder: Holder, now: float) -> bool:
    """Whether a record may go once it has no rows: it ended a while ago, or a clock was ahead."""
    return not now - LATE < holder.until <= now + AHEAD


def living(
    leases: Iterable[tuple[str, float]], holders: Mapping[str, Holder], now: float
) -> dict[str, float]:
    """Live leases: owner -> the end of its last one, or of its record if that comes first.

    `leases`: the owner and the end of each.
    """
    last: dict[str, float] = {}
    for owner, until in leases:
        ends = min(until, holders[owner].until) if owner in holders else until
        if ends > now:
            last[owner] = max(last.get(owner, 0.0), ends)
    return last
