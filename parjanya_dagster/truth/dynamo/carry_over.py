"""The step to version 2 of the table: records leave the heartbeats, among which they began."""

from __future__ import annotations

from parjanya_dagster.truth.carried_over import carried_over
from parjanya_dagster.truth.dynamo import keys
from parjanya_dagster.truth.dynamo.codec import attributes, unpack
from parjanya_dagster.truth.dynamo.wire import ABSENT, Delete, Put, Wire
from parjanya_dagster.truth.models import Heartbeat

_NAMED_BY: dict[str, tuple[str, ...]] = {
    "declarations": ("lane",),
    "identities": ("lane", "digest"),
    "books": ("run_id", "stage"),
    "ledgers": ("account",),
    "messages": ("message_id",),
    "regrade_holds": ("replay_id",),
    "reconciliations": (),
    "preflights": ("stage",),
    "paces": ("stage",),
    "group_notes": ("lane",),
}
_FAMILIES = (
    *("", "run", "declared", "running", "book", "ledger"),
    *("sent", "regrade", "preflight", "pace", "group"),
)
_OLD = tuple(f"beats#{family}" for family in _FAMILIES)
"""Where heartbeats lay in version 1."""


def carry_over(wire: Wire) -> None:
    """Move what heartbeats held before records had items of their own.

    A record that is there already stays. So it may die anywhere and be done again, and what a
    process of the version before wrote meanwhile comes over with the next `parjanya migrate`.
    """
    beats = [unpack(Heartbeat, item) for pk in _OLD for item in wire.query(pk)]
    rows, moved = carried_over((beat.name, beat.at, beat.payload) for beat in beats)
    for kind, records in rows.items():
        for values in records:
            name = "/".join(str(values[part]) for part in _NAMED_BY[kind]) or keys.LAST
            wire.write(Put((kind, name), attributes(values), ABSENT))
    for name in moved:
        wire.write(Delete(keys.beat(name)))
