"""How many images are where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


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


class Counting(Protocol):
    """Counts of images."""

    def counts(self, tenant: str | None = None) -> list[Counts]: ...
