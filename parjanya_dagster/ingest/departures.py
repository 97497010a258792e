"""Departures: rows whose object is not in its bucket any more.

What a listing lacks is looked for again before it is believed. So many at once that it smells of
a lost volume are held, until a person confirms them or until they have been missing for long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.lines import get_logger
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import REPLACED, ImageRow, Tenant, image_id
from parjanya_dagster.truth.records import DepartureHold
from parjanya_dagster.truth.store import Store

log = get_logger(__name__)
REASON = "the object is not in its bucket any more"
FEW = 20  # images of a tenant may always depart at once
WATCHED = 3600.0  # a hold that grew old while nobody looked is looked at for so long first
CHUNK = 100  # rows that depart together
THREADS = 16  # objects looked for side by side, between looks at the clock


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
        with ThreadPoolExecutor(THREADS, "departed") as pool:
            while ids:
                gone, ids = self._gone(pool, ids, deadline)
                if gone:
                    require()  # after the looks: another bucket may have come meanwhile
                    departed += self.store.depart(gone, self.clock(), REASON)
                if self.clock() > deadline:
                    break
        return departed, ids

    def _gone(
        self, pool: Executor, ids: Sequence[str], deadline: float
    ) -> tuple[list[str], list[str]]:
        """Some that are gone, and those that were not looked for. Storage may answer slowly."""
        gone: list[str] = []
        looked = 0
        while looked < len(ids) and len(gone) < CHUNK:
            some = ids[looked : looked + THREADS]
            looked += len(some)
            rows = [self.store.get(image_id) for image_id in some]
            versions = pool.map(self._version_there, rows)
            gone += [
                image_id
                for image_id, row, version in zip(some, rows, versions, strict=True)
                if self._is_gone(row, version)
            ]
            if self.clock() > deadline:
                break
        return gone, list(ids[looked:])

    def done(self, tenant: Tenant) -> None:
        """All that was missing has departed."""
        if tenant.slug in self.store.departure_holds():
            self.store.drop_departure_hold(tenant.slug)

    def _version_there(self, row: ImageRow | None) -> str | None:
        """Ask again before believing that something is gone: a listing may miss a rename.

        The version that lies there, as far as can be seen; None: there is none.
        """
        if row is None:
            return None
        try:
            return self.objects.head(row.bucket, row.key).version
        except StorageUnavailable:
            return row.version
        except ObjectGone:
            return None

    def _is_gone(self, row: ImageRow | None, version: str | None) -> bool:
        """As another version it may be this image: the next listing says what became of the row.

        Unless that one is an image that Truth takes for replaced by this one.
        """
        if row is None or version is None:
            return True
        lying = image_id(row.bucket, row.key, version)
        return lying != row.location and is_replaced(self.store.get(lying))


def is_replaced(row: ImageRow | None) -> bool:
    """Whether Truth takes an image for replaced by a newer version of its key."""
    return row is not None and row.object_state == REPLACED
