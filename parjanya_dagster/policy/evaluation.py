"""One image's decision: a pure, total function of a policy and recorded evidence.

Knows nothing of clocks, stores or other images: the caller says whether the image is a duplicate.
The strongest verdict wins: reject before review before accept. Doubt never rejects; it asks for a
review.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .canonical import canonical_json
from .checks import NO_OBJECTION
from .conditions import (
    Absent,
    all_hold,
    holds,
    inseparable,
    is_number,
    label_groups,
    look_up,
    plain,
    subject,
    unreadable,
    value_at,
)
from .document import Rule, Verdict
from .messages import render, spell
from .movable import beside, moved_comparison
from .texts import told
from .versions import Policy

EVALUATION_VERSION: Final = "1"  # raise it when the same policy and evidence decide otherwise
STRENGTH: Final[dict[str, int]] = {"reject": 0, "review": 1, "accept": 2}

_BAND: Final = "It is near the threshold, so a person decides."
_UNSURE: Final = "The category is not certain enough to reject, so a person decides."
_BLENDED: Final = "The engine cannot tell these categories apart, so a person decides."


@dataclass(frozen=True)
class Duplicate:
    """An earlier image of the same tenant that this one repeats."""

    kind: Literal["exact", "near"]
    of: str  # image id of the one that is kept
    distance: int = 0  # Hamming distance of the perceptual hashes, in bits of 64
    mirrored: bool = False  # near only: it looks like the other in a mirror


@dataclass(frozen=True)
class Reason:
    """Why a rule spoke, and the evidence that it read."""

    rule: str
    verdict: Verdict
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "verdict": self.verdict,
            "message": self.message,
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True)
class Decision:
    """What a policy decides on one image. Equal inputs give equal bytes."""

    verdict: Verdict
    reasons: tuple[Reason, ...]  # the strongest first, then in the order of the rules
    policy: str  # ref
    policy_hash: str
    used: Mapping[str, Any]  # every evidence value that the rules read, by path

    def body(self) -> dict[str, Any]:
        """The "curated" evidence body."""
        return {
            "verdict": self.verdict,
            "policy": self.policy,
            "policy_hash": self.policy_hash,
            "reasons": [reason.body() for reason in self.reasons],
        }

    def canonical(self) -> bytes:
        """The body in its one spelling, to compare decisions byte for byte."""
        return canonical_json(self.body())


def evaluate(
    policy: Policy, evidence: Mapping[str, Any], duplicate: Duplicate | None = None
) -> Decision:
    """Decide one image. It never raises on what is in the evidence.

    ``evidence`` maps a stage to its body, and "taste" to what the policy's taste says of the image.
    """
    textual = policy.textual_paths
    values = {path: value_at(evidence, path, path in textual) for path in policy.sorted_paths}
    used = {
        path: told(value) if path in textual and isinstance(value, str) else value
        for path, value in values.items()
        if not isinstance(value, Absent)
    }
    groups = look_up(evidence, "enriched.distinguishes")
    confidence = _confidence_doubt(policy, evidence)
    reasons = [
        reason
        for rule in policy.document.rules
        if (reason := _judge(rule, values, used, groups, confidence is not None))
    ]
    if confidence:
        reasons.append(confidence)
    if doubled := _duplicate_reason(policy, evidence, duplicate):
        reasons.append(doubled)
    if not reasons:
        reasons.append(Reason(NO_OBJECTION, "accept", "No rule objected.", used))
    reasons.sort(key=lambda reason: STRENGTH[reason.verdict])
    return Decision(reasons[0].verdict, tuple(reasons), policy.ref, policy.hash, used)


def softened(policy: Policy, rule: Rule, evidence: Mapping[str, Any]) -> bool:
    """Whether doubt about the category makes a review of this rule's reject, where it fires."""
    if inseparable(rule.comparisons, look_up(evidence, "enriched.distinguishes")):
        return True
    reads_category = any(path.startswith("enriched.") for path in rule.paths)
    return reads_category and _confidence_doubt(policy, evidence) is not None


def read_by(rule: Rule, evidence: Mapping[str, Any]) -> int | float | None:
    """The number that the rule's movable comparison compares. None: missing, or no number."""
    comparison = moved_comparison(rule)
    values = {path: plain(look_up(evidence, path)) for path in comparison.paths}
    value = subject(comparison, values)
    return value if is_number(value) else None


def allowed_by(rule: Rule, evidence: Mapping[str, Any]) -> tuple[bool | None, bool | None]:
    """Whether the other conditions of the rule hold: as they are written, and with their weaker
    thresholds. None: that depends on evidence that is missing."""
    rest = beside(rule)
    if not rest:
        return True, True
    textual = {path for one in rule.comparisons if one.textual for path in one.paths}
    values = {path: value_at(evidence, path, path in textual) for path in rule.paths}
    firm, wide = (all_hold(rest, values, widened=widened) for widened in (False, True))
    return firm, True if firm else wide


def _judge(
    rule: Rule, values: Mapping[str, Any], used: Mapping[str, Any], groups: Any, doubted: bool
) -> Reason | None:
    held = holds(rule.when, values)
    wide = True if held else holds(rule.when, values, widened=True)
    if wide is False:
        return None
    read = {path: used[path] for path in rule.sorted_paths if path in used}
    if wide is None:
        clauses = ", ".join(unreadable(rule.comparisons, values))
        return Reason(rule.id, "review", f"Cannot be judged: {clauses}.", read)
    message = render(rule, values)
    if not held:
        return Reason(rule.id, "review", f"{message} {_BAND}", read)
    if rule.verdict == "reject":
        if inseparable(rule.comparisons, groups):
            if (known := label_groups(groups)) is not None:
                read["enriched.distinguishes"] = [sorted(group) for group in known]
            return Reason(rule.id, "review", f"{message} {_BLENDED}", read)
        if doubted and any(path.startswith("enriched.") for path in rule.paths):
            return Reason(rule.id, "review", f"{message} {_UNSURE}", read)
    return Reason(rule.id, rule.verdict, message, read)


def _confidence_doubt(policy: Policy, evidence: Mapping[str, Any]) -> Reason | None:
    floor = policy.document.confidence.enriched
    if floor is None:
        return None
    rule = "confidence.enriched"
    # An engine that cannot tell labels apart is never sure of one of them: its group counts. The
    # group's confidence is the larger, so the larger is taken, and losing it only adds doubt.
    known = {
        path: value
        for path in ("enriched.confidence", "enriched.group_confidence")
        if is_number(value := plain(look_up(evidence, path)))
    }
    if not known:
        message = "Cannot be judged: enriched.confidence is missing or not a number."
        return Reason(rule, "review", message)
    surest = max(known.values())
    if surest >= floor:
        return None
    message = f"The category is too uncertain to decide by ({spell(surest)}, under {spell(floor)})."
    return Reason(rule, "review", message, known)


def _duplicate_reason(
    policy: Policy, evidence: Mapping[str, Any], duplicate: Duplicate | None
) -> Reason | None:
    asked = policy.document.duplicates
    near = asked.near if policy.near_distance is not None else None
    if duplicate is None:
        # Without hashes of the image, no twin can have been looked for.
        paths = ["validated.sha256"] if asked.exact != "ignore" else []
        paths += ["validated.likeness.views"] if near else []
        lost = [p for p in paths if not isinstance(look_up(evidence, p), (str, list, tuple))]
        if not lost:
            return None
        message = f"Duplicates cannot be judged: {', '.join(lost)} is missing."
        return Reason("duplicates", "review", message)
    facts: dict[str, Any] = {
        "duplicate.of": duplicate.of,
        "duplicate.distance": duplicate.distance,
    }
    if duplicate.kind == "exact":
        if asked.exact == "ignore":
            return None
        message = f"The same bytes as an earlier image, {duplicate.of}."
        return Reason("duplicates.exact", asked.exact, message, facts)
    if near is None or near.verdict == "ignore" or duplicate.distance > (policy.near_distance or 0):
        return None
    how = "Looks like an earlier image"
    if duplicate.mirrored:
        facts["duplicate.mirrored"] = True
        how = "Looks like a mirror image of an earlier one"
    message = f"{how}, {duplicate.of} ({duplicate.distance} of 64 bits differ)."
    if duplicate.distance > near.distance:
        return Reason("duplicates.near", "review", f"{message} {_BAND}", facts)
    return Reason("duplicates.near", near.verdict, message, facts)
