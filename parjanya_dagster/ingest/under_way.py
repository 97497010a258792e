"""The sweep of one bucket while it lasts: how far it came, and what it has not found so far.

It may take many sweeps, and outlives its process: Truth has a record of where it stopped. Memory
does not grow with the bucket, nor with what is missing from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from parjanya_dagster.ingest.comparing import Compared
from parjanya_dagster.truth.records import BucketSweep

KEPT = 1000
"""Missing rows of which the ids are kept. Others are looked for again once they are believed."""
MOST_HIDDEN = 50  # folders that a record names; of more it says that nothing may depart
OLD = 86_400.0
"""A sweep that did not come further for so many seconds begins anew."""
EVERYTHING = ""  # what every key begins with


@dataclass(slots=True, kw_only=True)
class UnderWay:
    """How far the sweep of a tenant's bucket came."""

    tenant: str
    began: float
    at: float  # when it last came further
    departures: bool  # whether it looks for what is gone
    after: str = ""  # see `Compared`
    storable: str = ""
    present: int = 0  # rows that were seen
    missing: int = 0  # of these, whose object was not seen
    first_missing: list[str] = field(default_factory=list)  # ids of the first of them
    rest_after: str | None = None  # behind this key are those of which no id is kept
    hidden: set[str] = field(default_factory=set)  # what keys begin with that cannot be listed
    doubts: int = 0  # rows that were looked up, since another version lies there
    believed: bool = False  # that what is missing is gone. Only this process believes it
    may_go: int = 0  # rows of which this is believed, and that were not looked for again
    departed: int = 0
    interrupted: bool = False  # by storage that did not answer: it goes on there at its next turn
    recorded: bool = False  # whether Truth has a record of it

    def hides(self, key: str) -> bool:
        return key.startswith(tuple(self.hidden))

    def came_to(self, some: Compared, now: float) -> None:
        self.after, self.storable, self.at = some.after, some.storable, now

    def miss(self, found: list[str], unread: int) -> None:
        """Rows that are missing: those that were looked up, and how many more there are."""
        self.first_missing += found
        self.missing += len(found) + unread
        if unread and self.rest_after is None:
            self.rest_after = self.storable

    @property
    def room(self) -> int:
        return KEPT - len(self.first_missing)

    def believe(self) -> None:
        self.believed, self.may_go = True, self.missing - len(self.first_missing)

    def look_again(self) -> None:
        """Go over the part again of which no ids are kept, now that it is believed gone."""
        self.after = self.storable = self.rest_after or ""
        self.rest_after = None

    def is_old(self, now: float) -> bool:
        return not 0 <= now - self.at <= OLD

    def record(self) -> BucketSweep:
        hidden = sorted(self.hidden)
        return BucketSweep(
            tenant=self.tenant,
            after=self.storable,
            began=self.began,
            at=self.at,
            departures=self.departures,
            present=self.present,
            missing=self.missing,
            first_missing=tuple(self.first_missing),
            rest_after=self.rest_after,
            hidden=tuple(hidden) if len(hidden) <= MOST_HIDDEN else (EVERYTHING,),
        )

    @classmethod
    def of(cls, record: BucketSweep) -> UnderWay:
        return cls(
            tenant=record.tenant,
            began=record.began,
            at=record.at,
            departures=record.departures,
            after=record.after,
            storable=record.after,
            present=record.present,
            missing=record.missing,
            first_missing=list(record.first_missing),
            rest_after=record.rest_after,
            hidden=set(record.hidden),
            recorded=True,
        )
