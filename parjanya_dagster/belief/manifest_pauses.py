"""Batches whose manifest was written a moment ago: what changed since is shown by the next one.

To write a manifest, every row of its batch is read, and its evidence. Where images come one by one
that costs more than all the rest of the chain (docs/aws-cost.md). The notes are heartbeats. Where
they are deleted, manifests are written sooner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parjanya_dagster.belief.tags import MANIFEST
from parjanya_dagster.truth.models import Heartbeat
from parjanya_dagster.truth.store import Store


def note(store: Store, batch: str, now: float, pause: float) -> None:
    """The manifest of a batch was written, and is not written again for `pause` seconds."""
    if pause > 0:
        store.beat(f"{MANIFEST}:{batch}", now, {"until": now + pause})


def waiting(notes: Mapping[str, Heartbeat], now: float) -> frozenset[str]:
    """The batches whose manifest is not written yet. `notes`: all heartbeats of `MANIFEST`."""
    return frozenset(_batch(name) for name, beat in notes.items() if _lasts(beat, now))


def ended(notes: Mapping[str, Heartbeat], now: float) -> Sequence[str]:
    """The names of notes that say nothing any more. What a clock that was ahead wrote is one."""
    return [name for name, beat in notes.items() if not _lasts(beat, now)]


def _lasts(beat: Heartbeat, now: float) -> bool:
    return beat.at <= now < float(beat.payload.get("until", beat.at))


def _batch(name: str) -> str:
    return name.removeprefix(f"{MANIFEST}:")
