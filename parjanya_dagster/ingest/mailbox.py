"""The mailbox: look where a notification points, register what lies there, then delete the message.

A death in between repeats the look, which registers nothing twice. A message that cannot be read,
or that names a bucket of no tenant, goes to the dead letters with its reason, is recorded in Truth
and stops no other. A message whose bucket does not answer stays in the queue and comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from parjanya_dagster.errors import (
    CloudUnavailable,
    ObjectGone,
    ParjanyaError,
    PolicyUnusable,
    StorageUnavailable,
    UnknownTenant,
)
from parjanya_dagster.ingest import events
from parjanya_dagster.ingest.events import Notification, ObjectEvent
from parjanya_dagster.ingest.owners import BucketNames, Owners
from parjanya_dagster.ingest.recognition import Recognition
from parjanya_dagster.ingest.registering import arrival_of, register
from parjanya_dagster.ingest.results import MailResult
from parjanya_dagster.lines import get_logger
from parjanya_dagster.objects.keys import INCOMING, is_folder, refusal, set_aside, shown
from parjanya_dagster.objects.store import ObjectInfo, Objects
from parjanya_dagster.queues.messages import Message, Queue
from parjanya_dagster.truth import dead_letters
from parjanya_dagster.truth.dead_letters import DeadLetter
from parjanya_dagster.truth.models import PRESENT, Arrival, Tenant
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)
MOST, SECONDS = 50, 5.0
"""A batch has at most so many messages, and is received for at most so long."""
THREADS = 16  # objects looked at side by side


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

    def take(self, wait: float) -> MailResult:
        """One batch; waits up to `wait` seconds for its first message.

        Raises TruthUnavailable before a message is received, and CloudUnavailable.
        """
        owners = Owners.read(self.store, self.names)
        dead_letters.settle(self.store, list(owners.tenants))
        messages = self._receive(wait)
        taken = MailResult(messages=len(messages))
        if not messages:
            return taken
        notifications = [events.parse(message.body) for message in messages]
        inspection = _Inspection(self, owners, taken)
        inspection.inspect(event for notification in notifications for event in notification.events)
        done: list[Message] = []
        dead: list[DeadLetter] = []
        not_sent: CloudUnavailable | None = None
        for message, notification in zip(messages, notifications, strict=True):
            if any(event in inspection.unanswered for event in notification.events):
                taken.unanswered += 1
                continue
            if reason := inspection.why_dead(notification):
                try:
                    self.dead_letters.send(message.body, reason)
                except CloudUnavailable as error:  # it stays; the others do not wait for it
                    not_sent = error
                    continue
                log.warning("dead_letter", queue=self.queue.name, reason=reason)
                taken.dead_letters.append(reason)
                source = inspection.source(notification)
                dead.append(DeadLetter(source=source, reason=reason, body=message.body))
            done.append(message)
        dead_letters.record(self.store, dead, self.clock())
        self.queue.delete(done)
        if not_sent is not None:
            raise not_sent
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
class _Inspection:
    """Looks at the keys of all events of a batch, and records what lies there."""

    mailbox: Mailbox
    owners: Owners
    taken: MailResult
    refused: dict[ObjectEvent, str] = field(default_factory=dict)  # never to be taken in, and why
    unanswered: set[ObjectEvent] = field(default_factory=set)

    def inspect(self, happened: Iterable[ObjectEvent]) -> None:
        """Register what is there and depart what is gone. Raises TruthUnavailable."""
        by_key: dict[tuple[str, str], list[ObjectEvent]] = {}  # (bucket, key) -> its events
        for event in dict.fromkeys(happened):
            if event.at is not None:
                self.taken.late = max(self.taken.late, self.mailbox.clock() - event.at)
            for key in self._keys_to_look_at(event):
                by_key.setdefault((event.bucket, key), []).append(event)
        with ThreadPoolExecutor(THREADS, "look") as pool:
            answers = list(pool.map(self._head, by_key))
        arrivals: list[Arrival] = []
        for (bucket, key), answer in zip(by_key, answers, strict=True):
            its_events = by_key[bucket, key]
            if isinstance(answer, StorageUnavailable):
                self.unanswered.update(its_events)
            elif answer is None:
                self._depart(bucket, key, its_events)
            elif (tenant := self._owner(bucket, its_events)) is not None:
                arrivals.append(arrival_of(tenant, answer))
        told = self._recognized(arrivals)
        now = self.mailbox.clock()
        registered, not_held = register(self.mailbox.store, told, now)
        for arrival, why in not_held.items():
            self.refused.update(dict.fromkeys(by_key[arrival.bucket, arrival.key], why))
        for row in registered:
            if row.created:
                self.taken.registered[row.batch] = self.taken.registered.get(row.batch, 0) + 1

    def _recognized(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Those that can be registered. What else was told of is left to the sweep."""
        recognition = Recognition(
            store=self.mailbox.store,
            objects=self.mailbox.objects,
            clock=self.mailbox.clock,
            seconds=SECONDS,
        )
        by_bucket: dict[str, list[Arrival]] = {}
        for arrival in arrivals:
            by_bucket.setdefault(arrival.bucket, []).append(arrival)
        return [
            one
            for bucket, theirs in by_bucket.items()
            for one in recognition.recognize(bucket, theirs)
        ]

    def why_dead(self, notification: Notification) -> str:
        """Why nobody can ever use a message. Empty: it was of use, or asked for nothing."""
        reasons = [
            notification.unreadable,
            *(self.refused.get(event, "") for event in notification.events),
        ]
        return _printable("; ".join(dict.fromkeys(filter(None, reasons))))

    def source(self, notification: Notification) -> str:
        """What a message that nobody can use tells of: a bucket, if it can be read."""
        refused = [event.bucket for event in notification.events if event in self.refused]
        return refused[0] if refused else dead_letters.UNREADABLE

    def _keys_to_look_at(self, event: ObjectEvent) -> list[str]:
        """The keys of an event that may be a tenant's uploads.

        What is set aside is nobody's mistake: the sweep counts it.
        """
        tenant = self.owners.known(event.bucket)
        if tenant is None:
            try:
                self.owners.new(event.bucket)
            except UnknownTenant as error:
                self.refused[event] = str(error)
                return []
        elif tenant.status != "active":
            return []  # its files are found by the sweep once it is active again
        prefix = tenant.prefix if tenant else INCOMING
        uploads = [
            key
            for key in event.keys
            if key.startswith(prefix) and not is_folder(key) and set_aside(key) is None
        ]
        accepted = [key for key in uploads if refusal(key) is None]
        if uploads and not accepted:
            self.refused[event] = f"{shown(uploads[0])}: {refusal(uploads[0])}"
        return accepted

    def _head(self, where: tuple[str, str]) -> ObjectInfo | StorageUnavailable | None:
        """What lies at (bucket, key): None for nothing, an error where the bucket is away."""
        try:
            return self.mailbox.objects.head(*where)
        except ObjectGone:
            return None
        except StorageUnavailable as error:
            return error

    def _owner(self, bucket: str, its_events: Sequence[ObjectEvent]) -> Tenant | None:
        """The tenant of an object that is there. The first object makes a new one."""
        known = self.owners.known(bucket)
        if known is not None:
            return known
        try:
            tenant = self.owners.register(bucket, self.mailbox.add_tenant)
        except PolicyUnusable:  # of new tenants: the messages come again once it is published
            self.unanswered.update(its_events)
            return None
        except ParjanyaError as error:
            if error.transient:
                raise
            self.refused.update(dict.fromkeys(its_events, str(error)))
            return None
        self.taken.tenants.append(tenant.slug)
        return tenant

    def _depart(self, bucket: str, key: str, its_events: Sequence[ObjectEvent]) -> None:
        """Nothing lies there. What was present before we look again has departed."""
        tenant = self.owners.known(bucket)
        if tenant is None:
            return
        image_ids = [
            row.image_id
            for row in self.mailbox.store.find(key, tenant.slug)
            if row.bucket == bucket and row.object_state == PRESENT
        ]
        if not image_ids:
            return
        second_answer = self._head((bucket, key))
        if isinstance(second_answer, StorageUnavailable):
            self.unanswered.update(its_events)
        elif second_answer is None:
            reason = "the object is not in its bucket any more"
            now = self.mailbox.clock()
            self.taken.departed += self.mailbox.store.depart(image_ids, now, reason)


def _printable(text: str) -> str:
    """What SQS allows in an attribute."""
    ascii_text = text.encode("ascii", "backslashreplace").decode()
    return "".join(char if char.isprintable() else " " for char in ascii_text)[:500]
