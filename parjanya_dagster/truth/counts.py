"""Counts of one tenant's images, added up from the counters that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from parjanya_dagster.truth.models import PRESENT
from parjanya_dagster.truth.reviews import counts_as
from parjanya_dagster.truth.stages import Status

LAPSED = "lapsed"  # in a counter, in place of a person's verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many images of one tenant are where. Departed rows are counted apart."""

    tenant: str
    by_status: Mapping[str, int]  # pipeline_status -> rows whose object is present
    by_verdict: Mapping[str, int]  # accept, reject, review, by policies -> curated rows
    by_failure: Mapping[str, int]  # failure class -> failed rows
    in_flight: int  # rows under a lease, live or expired; also counted under their status
    registered: int  # rows ever registered, by the batches' own count
    departed: int  # rows whose object was replaced or deleted
    by_effective: Mapping[str, int] = field(default_factory=dict)  # the same, by what counts
    by_person: Mapping[str, int] = field(default_factory=dict)  # accept, reject: by people alone

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())


class Tally:
    """Adds up counters of one tenant."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.effective: Counter[str] = Counter()
        self.people: Counter[str] = Counter()
        self.departed = 0

    def add(
        self, object_state: str, status: str, verdict: str, failure: str, people: str, n: int
    ) -> None:
        """`n` more images of this kind. Empty text: none."""
        n = int(n)  # PostgreSQL's sums are decimals
        if not n:
            return
        if object_state != PRESENT:
            self.departed += n
            return
        self.statuses[status] += n
        if status == Status.CURATED and verdict:
            self.verdicts[verdict] += n
            lapsed = people == LAPSED
            person = None if lapsed else people or None
            self.effective[counts_as(verdict, person, lapsed)] += n
            if person:
                self.people[person] += n
        if status == Status.FAILED:
            self.failures[failure or "unknown"] += n

    def counts(self, tenant: str, in_flight: int, registered: int) -> Counts:
        return Counts(
            tenant=tenant,
            by_status=dict(self.statuses),
            by_verdict=dict(self.verdicts),
            by_failure=dict(self.failures),
            in_flight=in_flight,
            registered=registered,
            departed=self.departed,
            by_effective=dict(self.effective),
            by_person=dict(self.people),
        )
