"""Rules on queues, on groups of instances, and on loops that cannot read what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from parjanya_dagster.belief import refusing
from parjanya_dagster.doctor.facts import Facts
from parjanya_dagster.doctor.findings import Finding, finding, some
from parjanya_dagster.doctor.grace_periods import GracePeriods
from parjanya_dagster.queues.messages import DEAD_LETTERS

HOUR = 3600.0
LATELY = 30 * 24 * HOUR  # dead letters are gone from their queue after two weeks
Rule = Callable[[Facts, GracePeriods], Iterator[Finding]]


def _loop_blind(facts: Facts, _grace: GracePeriods) -> Iterator[Finding]:
    for name, beat in facts.blind.items():
        loop = name.partition(":")[2]
        since = float(beat.payload.get("since", beat.at))
        if (tenant := refusing.tenant_of(loop)) is not None:
            yield finding(
                "manifests_refused",
                f"{tenant}: its bucket takes no manifests: {beat.payload.get('error', '')}",
                since,
                tenant=tenant,
                seconds=round(facts.now - since),
            )
            continue
        yield finding(
            "loop_blind",
            f"{loop} cannot read what it needs: {beat.payload.get('error', '')}",
            since,
            loop=loop,
            seconds=round(facts.now - since),
        )


def _queues(facts: Facts, grace: GracePeriods) -> Iterator[Finding]:
    for queue in facts.queues:
        if queue.state is None:
            yield finding("queue_missing", f"There is no queue {queue.name} ({queue.role})")
            continue
        if queue.state.retention < grace.dormancy:
            yield finding(
                "queue_forgets",
                f"The queue {queue.name} ({queue.role}) keeps a message for "
                f"{queue.state.retention / HOUR:.0f} h. The longest dormancy is "
                f"{grace.dormancy / HOUR:.0f} h, so messages may be lost",
                queue=queue.name,
                retention_hours=round(queue.state.retention / HOUR, 1),
                dormancy_hours=round(grace.dormancy / HOUR, 1),
            )
        if queue.role == DEAD_LETTERS:
            if queue.state.messages:
                yield finding(
                    "dead_letters",
                    f"{some(queue.state.messages, 'message')} in {queue.name} could not be "
                    "processed",
                    queue=queue.name,
                    messages=queue.state.messages,
                )
        elif queue.state.receives is not None:
            yield finding(
                "queue_gives_up",
                f"The queue {queue.name} ({queue.role}) sends a message to the dead letters "
                f"after {some(queue.state.receives, 'receipt')}, even where an outage was to blame",
                queue=queue.name,
                receipts=queue.state.receives,
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


def _refused(facts: Facts, _grace: GracePeriods) -> Iterator[Finding]:
    """What was refused lately. An older record stays in Truth, and is nobody's task any more."""
    for one in facts.dead_letters:
        if facts.now - one.last_at <= LATELY:
            yield finding(
                "messages_refused",
                f"{some(one.messages, 'message')} of {one.source} could not be used: {one.reason}",
                one.first_at,
                source=one.source,
                messages=one.messages,
                example=one.example,
            )


CLOUD_RULES: tuple[Rule, ...] = (_loop_blind, _queues, _refused, _groups)
