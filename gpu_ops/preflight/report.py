"""What a preflight found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    detail: str  # what was found; where it is not ok, what is wrong and what to do


@dataclass(frozen=True)
class Report:
    """All checks of one engine, in order. A check that fails may be the last one made."""

    engine: str
    checks: tuple[Check, ...]
    identity: Mapping[str, str] = field(default_factory=dict)  # empty where it cannot be known

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def problem(self) -> str:
        """The first thing that is wrong; empty where nothing is."""
        return next((f"{c.name}: {c.detail}" for c in self.checks if not c.ok), "")

    def as_dict(self) -> dict[str, Any]:
        return {
            "engine": self.engine,
            "ok": self.ok,
            "problem": self.problem,
            "checks": [asdict(check) for check in self.checks],
            "identity": dict(self.identity),
        }
