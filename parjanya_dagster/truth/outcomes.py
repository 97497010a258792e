"""What work on one image can end as. An attempt that ends as none of these was a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.truth.models import Evidence, ImageRow


@dataclass(frozen=True, slots=True)
class Claim:
    """A row under our lease, as it was when we claimed it. Its fence must still match to commit."""

    row: ImageRow
    stage: str
    owner: str

    @property
    def image_id(self) -> str:
        return self.row.image_id


@dataclass(frozen=True, slots=True)
class Completed:
    """The stage found what it looks for: evidence, and what of it the row repeats."""

    evidence: Evidence
    columns: Mapping[str, Any] = field(default_factory=dict)
    likeness: Mapping[str, int] = field(default_factory=dict)
    """Keys that near duplicates share, and the hash each is from (signed, 64 bits)."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The row waits and is tried again: for the retry horizon if the failure was transient.

    Without a refund it was a mistake of ours, and after `max_attempts` the row fails.
    """

    reason: str
    refund: bool = True


@dataclass(frozen=True, slots=True)
class SendBack:
    """Something that an earlier stage made is missing: the row goes back to that stage."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class TerminalFailure:
    """The image itself is at fault. Durable; an operator can reset it."""

    failure_class: str
    reason: str


Outcome = Completed | Retry | SendBack | TerminalFailure


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did with each of its outcomes."""

    applied: frozenset[str]  # image ids
    lost: frozenset[str]  # another worker holds the row now, or it was reset; nothing changed
