"""Which buckets Truth speaks of, what nobody believes of them yet, and what nobody could use."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import BucketSweep, DeadLetters, DepartureHold, KnownBucket


class Buckets(Protocol):
    """Known buckets, sweeps under way, held departures, and messages that nobody could use."""

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

    def note_sweep(self, sweep: BucketSweep) -> None:
        """The sweep of a tenant's bucket came so far. A process that follows goes on there."""

    def sweeps(self) -> dict[str, BucketSweep]:
        """By tenant: sweeps that stopped before the end of a bucket."""

    def drop_sweep(self, tenant: str) -> None:
        """The bucket was swept to its end, or is to be swept from its beginning."""

    def note_dead_letters(self, letters: DeadLetters) -> None:
        """Messages of a source could not be used: all of them so far."""

    def dead_letters(self) -> dict[str, DeadLetters]:
        """By source."""

    def drop_dead_letters(self, source: str) -> None:
        """Somebody can use them now, or looked after them."""
