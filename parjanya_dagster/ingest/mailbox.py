"""Arrivals by message: look where a notification points, register what lies there, then delete it.

Dying anywhere in between repeats the look, which registers nothing twice. A message that cannot be
read, or that names a bucket of no tenant, goes to the dead letters with its reason and stops no
other. One whose bucket does not answer stays in the queue and comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from parjanya_dagster.errors import (
    CloudUnavailable,
    ObjectGone,
    ParjanyaError,
    StorageUnavailable,
    UnknownTenant,
)
from parjanya_dagster.ingest import events
from parjanya_dagster.ingest.owners import BucketNames, Owners
from parjanya_dagster.objects.keys import INCOMING, is_folder, refusal, shown
from parjanya_dagster.objects.store import ObjectInfo, Objects
from parjanya_dagster.queues.messages import Message, Queue
from parjanya_dagster.truth.models import PRESENT, Arrival, Tenant
from parjanya_dagster.truth.store import Store

log = structlog.get_logger(__name__)
MOST, SECONDS = 50, 5.0
"""A batch has so many messages, or is what came in so long."""
LOOKERS = 16  # objects looked at side by side


@dataclass(slots=True)
class Taken:
    """What came of a batch of messages."""

    messages: int = 0
    registered: dict[str, int] = field(default_factory=dict)  # batch -> new rows
    departed: int = 0
    tenants: list[str] = field(default_factory=list)  # registered by these messages
    dead: list[str] = field(default_factory=list)  # why each dead letter is one
    left: int = 0  # messages that stay, since a bucket did not answer
    late: float = 0.0  # seconds since the oldest event of the batch


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Takes messages in."""

    store: Store
    objects: Objects
    queue: Queue
    dead_letters: Queue
    names: BucketNames
    add_tenant: Callable[[str, str], Tenant]  # slug, bucket
    clock: Callable[[], float]

    def take(self, wait: float) -> Taken:
        """One batch; waits up to `wait` seconds for its first message.

        Raises TruthUnavailable before a message is received, and CloudUnavailable.
        """
        owners = Owners.read(self.store, self.names)
        messages = self._receive(wait)
        taken = Taken(len(messages))
        if not messages:
            return taken
        said = [events.read(message.body) for message in messages]
        looks = _Looks(self, owners, taken)
        looks.at(place for one in said for place in one.places)
        done: list[Message] = []
        unsent: CloudUnavailable | None = None
        for message, one in zip(messages, said, strict=True):
            wrong = [one.unreadable, *(looks.wrong.get(place, "") for place in one.places)]
            if any(place in looks.unanswered for place in one.places):
                taken.left += 1
                continue
            if reason := "; ".join(dict.fromkeys(filter(None, wrong))):
                reason = _printable(reason)
                try:
                    self.dead_letters.send(message.body, reason)
                except CloudUnavailable as error:  # it stays; the others do not wait for it
                    unsent = error
                    continue
                log.warning("dead_letter", queue=self.queue.name, reason=reason)
                taken.dead.append(reason)
            done.append(message)
        self.queue.delete(done)
        if unsent is not None:
            raise unsent
        return taken

    def _receive(self, wait: float) -> list[Message]:
        began, messages = self.clock(), self.queue.receive(10, wait)
        while messages and len(messages) < MOST and self.clock() - began < SECONDS:
            more = self.queue.receive(min(10, MOST - len(messages)), 0)
            if not more:
                break
            messages += more
        return messages


@dataclass(slots=True)
class _Looks:
    """Looks at all places of a batch, and writes down what is there."""

    box: Mailbox
    owners: Owners
    taken: Taken
    wrong: dict[events.Place, str] = field(default_factory=dict)  # never to be taken in, and why
    unanswered: set[events.Place] = field(default_factory=set)

    def at(self, places: Iterable[events.Place]) -> None:
        """Raises TruthUnavailable."""
        sources: dict[tuple[str, str], list[events.Place]] = {}
        for place in dict.fromkeys(places):
            if place.at is not None:
                self.taken.late = max(self.taken.late, self.box.clock() - place.at)
            for key in self._worth(place):
                sources.setdefault((place.bucket, key), []).append(place)
        with ThreadPoolExecutor(LOOKERS, "look") as pool:
            seen = list(pool.map(self._look, sources))
        arrivals: list[Arrival] = []
        for (bucket, key), found in zip(sources, seen, strict=True):
            those = sources[bucket, key]
            if isinstance(found, StorageUnavailable):
                self.unanswered.update(those)
            elif found is None:
                self._gone(bucket, key, those)
            elif (tenant := self._owner(bucket, those)) is not None:
                arrivals.append(
                    Arrival(
                        tenant=tenant.slug,
                        bucket=bucket,
                        key=key,
                        version=found.version,
                        size=found.size,
                        landed_at=found.modified_at,
                    )
                )
        now = self.box.clock()
        for one in self.box.store.register(arrivals, now) if arrivals else ():
            if one.created:
                self.taken.registered[one.batch] = self.taken.registered.get(one.batch, 0) + 1

    def _worth(self, place: events.Place) -> list[str]:
        """The keys of a place that are worth a look: a tenant's uploads."""
        tenant = self.owners.known(place.bucket)
        if tenant is None:
            try:
                self.owners.new(place.bucket)
            except UnknownTenant as error:
                self.wrong[place] = str(error)
                return []
        elif tenant.status != "active":
            return []  # its files are found by the sweep once it is active again
        prefix = tenant.prefix if tenant else INCOMING
        ours = [key for key in place.keys if key.startswith(prefix) and not is_folder(key)]
        good = [key for key in ours if refusal(key) is None]
        if ours and not good:
            self.wrong[place] = f"{shown(ours[0])}: {refusal(ours[0])}"
        return good

    def _look(self, where: tuple[str, str]) -> ObjectInfo | StorageUnavailable | None:
        try:
            return self.box.objects.head(*where)
        except ObjectGone:
            return None
        except StorageUnavailable as error:
            return error

    def _owner(self, bucket: str, places: Sequence[events.Place]) -> Tenant | None:
        """The tenant of an object that is there. The first object makes a new one."""
        known = self.owners.known(bucket)
        if known is not None:
            return known
        try:
            tenant = self.owners.register(bucket, self.box.add_tenant)
        except ParjanyaError as error:
            if error.transient:
                raise
            self.wrong.update(dict.fromkeys(places, str(error)))
            return None
        self.taken.tenants.append(tenant.slug)
        return tenant

    def _gone(self, bucket: str, key: str, places: Sequence[events.Place]) -> None:
        """Nothing lies there. What was present before we look again has departed."""
        tenant = self.owners.known(bucket)
        if tenant is None:
            return
        rows = [
            row.image_id
            for row in self.box.store.find(key, tenant.slug)
            if row.bucket == bucket and row.object_state == PRESENT
        ]
        if not rows:
            return
        again = self._look((bucket, key))
        if isinstance(again, StorageUnavailable):
            self.unanswered.update(places)
        elif again is None:
            reason = "the object is not in its bucket any more"
            self.taken.departed += self.box.store.depart(rows, self.box.clock(), reason)


def _printable(text: str) -> str:
    """What SQS allows in an attribute."""
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(one if one.isprintable() else " " for one in plain)[:500]
