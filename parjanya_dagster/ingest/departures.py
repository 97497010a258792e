"""Departures: rows whose object is not in its bucket any more.

What a listing lacks is looked for again before it is believed. So many at once that it smells of
a lost volume are held, until a person confirms them or until they have been missing for long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.records import DepartureHold
from parjanya_dagster.truth.store import Store

log = structlog.get_logger(__name__)
REASON = "the object is not in its bucket any more"
FEW = 20  # images of a tenant may always depart at once
WATCHED = 3600.0  # a hold that grew old while nobody looked is looked at for so long first
CHUNK = 100  # rows between looks at the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Departures:
    """Records what left a tenant's bucket, and holds what left all at once."""

    store: Store
    objects: Objects
    clock: Callable[[], float]
    share: float = 0.2  # of a tenant's images that may depart in one round
    hold_seconds: float = 24 * 3600.0  # a larger share is believed after so long
    watched: dict[str, float] = field(default_factory=dict)
    """Tenant -> since when this process has seen its hold, without the bucket going away."""

    def believed(self, tenant: Tenant, *, missing: int, present: int) -> bool:
        """Whether this many of a tenant's present images may be gone. Holds them where not."""
        holds = self.store.departure_holds()
        held = holds.get(tenant.slug)
        limit = max(FEW, self.share * present)
        if missing <= limit:
            if held is not None:
                self.store.drop_departure_hold(tenant.slug)
            self.watched.pop(tenant.slug, None)
            return True
        now = self.clock()
        if held is None or missing > held.missing + limit:  # nobody has seen so many yet
            held = DepartureHold(
                tenant=tenant.slug, missing=missing, present=present, since=now, confirmed_at=None
            )
        watched = now - self.watched.setdefault(tenant.slug, now)
        old = now - held.since >= self.hold_seconds and watched >= min(WATCHED, self.hold_seconds)
        if held.confirmed_at is not None or old:
            return True
        if (held := replace(held, missing=missing, present=present)) != holds.get(tenant.slug):
            self.store.hold_departures(held)
        log.warning("departures_held", tenant=tenant.slug, missing=missing, present=present)
        return False

    def record(
        self, ids: list[str], deadline: float, require: Callable[[], None]
    ) -> tuple[int, list[str]]:
        """Look for each once more, and let those depart that are gone.

        `require` raises where the bucket is not the known one any more. Returns how many departed,
        and those for which there was no time.
        """
        departed = 0
        while ids:
            chunk, ids = ids[:CHUNK], ids[CHUNK:]
            gone = [image_id for image_id in chunk if not self._still_there(image_id)]
            if gone:
                require()  # after the looks: another bucket may have come to its place meanwhile
                departed += self.store.depart(gone, self.clock(), REASON)
            if self.clock() > deadline:
                break
        return departed, ids

    def done(self, tenant: Tenant) -> None:
        """All that was missing has departed."""
        if tenant.slug in self.store.departure_holds():
            self.store.drop_departure_hold(tenant.slug)

    def _still_there(self, image_id: str) -> bool:
        """Ask again before believing that something is gone: a listing may miss a rename."""
        row = self.store.get(image_id)
        if row is None:
            return False
        try:
            self.objects.head(row.bucket, row.key)
        except StorageUnavailable:
            return True
        except ObjectGone:
            return False
        return True  # as whatever version: the next listing says what became of the row
