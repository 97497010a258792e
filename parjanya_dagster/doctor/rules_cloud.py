"""What the doctor says of queues, groups of instances, and loops that cannot see."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import Finding, finding, some
from parjanya_dagster.doctor.grace_periods import GracePeriods
from parjanya_dagster.queues.messages import DEAD_LETTERS

HOUR = 3600.0
Rule = Callable[[Facts, GracePeriods], Iterator[Finding]]


def _loop_blind(facts: Facts, _grace: GracePeriods) -> Iterator[Finding]:
    for name, beat in facts.blind.items():
        loop = name.partition(":")[2]
        since = float(beat.payload.get("since", beat.at))
        yield finding(
            "loop_blind",
            f"{loop} cannot see: {beat.payload.get('error', '')}",
            since,
            loop=loop,
            seconds=round(facts.now - since),
        )


def _queues(facts: Facts, grace: GracePeriods) -> Iterator[Finding]:
    for one in facts.queues:
        if one.state is None:
            yield finding("queue_missing", f"There is no queue {one.name} ({one.role})")
            continue
        if one.state.retention < grace.dormancy:
            yield finding(
                "queue_forgets",
                f"The queue {one.name} ({one.role}) keeps a message for "
                f"{one.state.retention / HOUR:.0f} h, and nobody may look at it for "
                f"{grace.dormancy / HOUR:.0f} h",
                queue=one.name,
                retention_hours=round(one.state.retention / HOUR, 1),
                dormancy_hours=round(grace.dormancy / HOUR, 1),
            )
        if one.role == DEAD_LETTERS:
            if one.state.messages:
                yield finding(
                    "dead_letters",
                    f"{some(one.state.messages, 'message')} in {one.name} could not be taken in",
                    queue=one.name,
                    messages=one.state.messages,
                )
        elif one.state.receives is not None:
            yield finding(
                "queue_gives_up",
                f"The queue {one.name} ({one.role}) gives a message up after "
                f"{some(one.state.receives, 'receipt')}, whatever the reason was",
                queue=one.name,
                receipts=one.state.receives,
            )


def _groups(facts: Facts, grace: GracePeriods) -> Iterator[Finding]:
    for lane, note in facts.groups.items():
        since = note.nothing_since
        if since is None or facts.now - since <= grace.capacity:
            continue
        yield finding(
            "capacity_never_came",
            f"The group {note.group} of the lane {lane}: desired {note.desired}, nothing in "
            f"service: {note.said or 'it gives no reason'}",
            since,
            lane=lane,
            desired=note.desired,
            in_service=0,
            rows=note.rows,
        )


CLOUD_RULES: tuple[Rule, ...] = (_loop_blind, _queues, _groups)
