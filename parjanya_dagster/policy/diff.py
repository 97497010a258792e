"""What differs between two policy documents, by field, with rules told apart by their id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .versions import Policy

_ABSENT: Final = object()


@dataclass(frozen=True)
class Change:
    """One field that differs. ``before`` or ``after`` is None where it is absent."""

    field: str  # "rules.too_small.when.below"
    kind: str  # "added", "removed" or "changed"
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.kind == "added":
            return f"+ {self.field}: {self.after}"
        if self.kind == "removed":
            return f"- {self.field}: {self.before}"
        return f"~ {self.field}: {self.before} → {self.after}"


@dataclass(frozen=True)
class PolicyDiff:
    a: str  # ref
    b: str
    changes: tuple[Change, ...]
    needs: Mapping[str, tuple[str, ...]]  # per stage, the evidence that b needs and a does not

    @property
    def threshold_only(self) -> bool:
        """Whether b decides from evidence that a needed too: only ``curated`` runs again."""
        return not self.needs

    def body(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            "a": self.a,
            "b": self.b,
            "changes": [
                {"field": c.field, "kind": c.kind, "before": c.before, "after": c.after}
                for c in self.changes
            ],
            "needs": {stage: list(paths) for stage, paths in self.needs.items()},
        }


def diff(a: Policy, b: Policy) -> PolicyDiff:
    """What changes from a to b. The name and version themselves are left out."""
    before, after = _keyed(a), _keyed(b)
    return PolicyDiff(a.ref, b.ref, tuple(_changes(before, after, "")), _added_needs(a, b))


def _added_needs(a: Policy, b: Policy) -> dict[str, tuple[str, ...]]:
    added = {}
    for stage, paths in b.required.items():
        had = set(a.required.get(stage, ()))
        if new := tuple(path for path in paths if path not in had):
            added[stage] = new
    old, new_needs = a.document.needs.enriched, b.document.needs.enriched
    prompt = new_needs.prompt if new_needs else None
    if prompt is not None and prompt != (old.prompt if old else None):
        added["enriched"] = (*added.get("enriched", ()), "prompt")
    return added


def _keyed(policy: Policy) -> dict[str, Any]:
    content = policy.content()
    rules = content.pop("rules", [])
    kept = {key: value for key, value in content.items() if key not in ("name", "version")}
    kept["rules"] = {rule["id"]: {k: v for k, v in rule.items() if k != "id"} for rule in rules}
    kept["order"] = [rule["id"] for rule in rules]
    return kept


def _changes(before: Any, after: Any, at: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            here = f"{at}.{key}" if at else key
            yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), here)
    elif before is _ABSENT:
        yield Change(at, "added", None, after)
    elif after is _ABSENT:
        yield Change(at, "removed", before, None)
    elif before != after:
        yield Change(at, "changed", before, after)
