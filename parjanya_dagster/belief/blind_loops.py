"""What a loop cannot read, noted at once, before its heartbeat grows old.

The loop itself writes the note, since only it has its own permissions and its own network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parjanya_dagster.belief.tags import BLIND
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.lines import get_logger
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)


def note(store: Store, loop: str, now: float, error: Exception) -> None:
    """Record that a loop cannot read, since when it could not. A time that a clock which was ahead
    wrote is none: by that, it would be long until it counts as lasting.

    If Truth cannot be written either, the age of the loop's heartbeat shows it.
    """
    log.error("loop_blind", loop=loop, error=str(error))
    try:
        name = f"{BLIND}:{loop}"
        known = store.heartbeats(BLIND).get(name)
        since = min(float(known.payload.get("since", now)), now) if known else now
        store.beat(name, now, {"since": since, "error": str(error)[:500]})
    except ParjanyaError as second:
        log.warning("blindness_not_noted", loop=loop, error=str(second))


def clear(store: Store, loop: str) -> None:
    """Remove the note: the loop can read again."""
    name = f"{BLIND}:{loop}"
    if name in store.heartbeats(BLIND):
        store.forget([name])


@contextmanager
def told(store: Store, loop: str, now: float) -> Iterator[None]:
    """Note an error that ends the block, and raise it again."""
    try:
        yield
    except ParjanyaError as error:
        note(store, loop, now, error)
        raise


@contextmanager
def told_or_cleared(store: Store, loop: str, now: float) -> Iterator[None]:
    """Note an error that ends the block, and raise it again. Without an error, clear the note."""
    with told(store, loop, now):
        yield
    clear(store, loop)
