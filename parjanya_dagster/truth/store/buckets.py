"""Which buckets Truth speaks of, and departures from them that nobody believes yet."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import DepartureHold, KnownBucket


class Buckets(Protocol):
    """Known buckets and held departures."""

    def adopt_bucket(self, bucket: KnownBucket) -> None:
        """From now on the bucket of this name is the one with this identity."""

    def known_buckets(self) -> dict[str, KnownBucket]:
        """By the name of the bucket. One that is not in here was never seen."""

    def hold_departures(self, hold: DepartureHold) -> None:
        """Images of a tenant are missing, and their rows stay present for now."""

    def departure_holds(self) -> dict[str, DepartureHold]:
        """By tenant."""

    def drop_departure_hold(self, tenant: str) -> None:
        """The departures were recorded, or nothing is missing any more."""
