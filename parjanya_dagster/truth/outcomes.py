"""The outcomes of work on one image. An attempt that ends without one was a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parjanya_dagster.truth.models import Evidence, ImageRow


@dataclass(frozen=True, slots=True)
class Claim:
    """A row under our lease, as it was when we claimed it. A commit needs its fence unchanged."""

    row: ImageRow
    stage: str
    owner: str

    @property
    def image_id(self) -> str:
        return self.row.image_id


@dataclass(frozen=True, slots=True)
class Completed:
    """The stage is done. `columns` are those of the row that its evidence fills in."""

    evidence: Evidence
    columns: Mapping[str, Any] = field(default_factory=dict)
    likeness: Mapping[str, int] = field(default_factory=dict)
    """Keys that near duplicates share, and the hash each is from (signed, 64 bits)."""
    asks_again: bool = False
    """Of a decision: people's verdicts under other policies lapse with it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The row waits and is tried again.

    With a refund the failure is transient: the row is retried until the retry horizon. Without
    one the mistake is ours: the row fails after `max_attempts`.
    """

    reason: str
    refund: bool = True


@dataclass(frozen=True, slots=True)
class SendBack:
    """A product of an earlier stage is missing. The row goes back to that stage."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class TerminalFailure:
    """The image itself is at fault. The failure is durable until an operator resets the row."""

    failure_class: str
    reason: str


Outcome = Completed | Retry | SendBack | TerminalFailure


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did with each of its outcomes."""

    applied: frozenset[str]  # image ids
    lost: frozenset[str]  # another worker holds the row now, or it was reset; nothing changed
    kept: tuple[Claim, ...] = ()  # of the stage that follows, on rows that were not given back
