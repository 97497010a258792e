"""A record of messages that nobody could use, before they are deleted from where they came.

The queue of dead letters forgets them after two weeks at most. Truth keeps, for each bucket that
they tell of, how many there were, since when, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parjanya_dagster.truth.records import DeadLetters
from parjanya_dagster.truth.storable import storable_text
from parjanya_dagster.truth.store import Buckets

UNREADABLE = "messages that cannot be read"
OTHERS = "other buckets"
MOST_SOURCES = 200  # records; what else there is shares one
MOST_TEXT = 500  # characters of a reason, and of an example


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One of them."""

    source: str  # a bucket, or UNREADABLE
    reason: str
    body: str


def record(store: Buckets, letters: Sequence[DeadLetter], now: float) -> None:
    """Add to what is known of their sources. Raises TruthUnavailable."""
    if not letters:
        return
    known = store.dead_letters()
    changed: dict[str, DeadLetters] = {}
    for letter in letters:
        source = letter.source
        if source not in known and len(known) >= MOST_SOURCES:
            source = OTHERS
        before = known.get(source)
        known[source] = changed[source] = DeadLetters(
            source=source,
            messages=before.messages + 1 if before else 1,
            reason=storable_text(letter.reason)[:MOST_TEXT],
            example=storable_text(letter.body)[:MOST_TEXT],
            first_at=before.first_at if before else now,
            last_at=now,
        )
    for letters_of_one in changed.values():
        store.note_dead_letters(letters_of_one)


def settle(store: Buckets, buckets: Sequence[str]) -> None:
    """Forget what told of buckets that are tenants' by now: the sweep finds what lies there."""
    for source in store.dead_letters().keys() & set(buckets):
        store.drop_dead_letters(source)
