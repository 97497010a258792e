"""Tenants whose bucket takes no manifest: noted, left alone for a while, and told by the doctor.

The notes are heartbeats. Where they are deleted, the next run just tries again.
"""

from __future__ import annotations

from collections.abc import Mapping

from parjanya_dagster.belief import blind_loops
from parjanya_dagster.belief.tags import BLIND
from parjanya_dagster.errors import ParjanyaError
from parjanya_dagster.truth.models import Heartbeat
from parjanya_dagster.truth.store import Store

FIRST, MOST = 30.0, 900.0  # seconds until a bucket is tried again; the wait doubles
_LOOP = "manifests of "


def note(store: Store, tenant: str, now: float, error: ParjanyaError) -> None:
    """A manifest could not be written to the tenant's bucket."""
    blind_loops.note(store, _LOOP + tenant, now, error)


def clear(store: Store, tenant: str) -> None:
    """The tenant's bucket takes manifests again."""
    blind_loops.clear(store, _LOOP + tenant)


def tenant_of(loop: str) -> str | None:
    """The tenant that a note is about. None: it is about something else."""
    return loop.removeprefix(_LOOP) if loop.startswith(_LOOP) else None


def waiting(notes: Mapping[str, Heartbeat], now: float) -> frozenset[str]:
    """The tenants whose bucket is not tried again yet. `notes`: all heartbeats of `BLIND`."""
    tenants = set()
    for name, beat in notes.items():
        tenant = tenant_of(name.removeprefix(f"{BLIND}:"))
        since = float(beat.payload.get("since", beat.at))
        wait = min(MOST, max(FIRST, beat.at - since))
        if tenant is not None and beat.at <= now < beat.at + wait:
            tenants.add(tenant)
    return frozenset(tenants)
