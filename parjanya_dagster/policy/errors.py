"""Mistakes in a policy document, described so that its author can correct them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake in a policy document: where it stands, and what to do about it."""

    source: str  # the file, or "<text>"
    line: int | None  # 1-based; None when the text could not be read at all
    field: str  # "rules[2].when.below"; empty for the document as a whole
    message: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return (
            f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"
        )


class PolicyError(Exception):
    """A policy document is not valid."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)) or self.__doc__)


class PolicyChanged(Exception):
    """A published policy version has other content now. Publish a new version instead."""


class UnknownPolicy(Exception):
    """No policy of this name and version is known."""
