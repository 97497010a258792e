"""What was found and measured at stages and lanes, and what intent is sized by."""

from __future__ import annotations

from typing import Protocol

from parjanya_dagster.truth.records import GroupNote, PreflightVerdict, StagePace


class Measurements(Protocol):
    """Preflights and paces of stages, and what groups of instances did."""

    def note_preflight(self, verdict: PreflightVerdict) -> None:
        """The engine of a stage was examined."""

    def preflights(self) -> dict[str, PreflightVerdict]:
        """The last verdicts, by stage."""

    def drop_preflight(self, stage: str) -> None:
        """The stage's engine is not used any more."""

    def note_pace(self, pace: StagePace) -> None:
        """How long a row takes at a stage."""

    def paces(self) -> dict[str, StagePace]:
        """By stage. One that is not in here was never measured."""

    def note_group(self, note: GroupNote) -> None:
        """The group of a lane was looked at."""

    def group_notes(self) -> dict[str, GroupNote]:
        """What was seen last, by lane."""
