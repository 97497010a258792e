"""Where a replay must start: the earliest stage whose evidence a policy needs and Truth lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .document import is_sparse
from .versions import Policy

STAGES: Final = ("validated", "enriched", "scored", "curated")


@dataclass(frozen=True)
class Provided:
    """What the evidence of one stage holds, without its values.

    Images that one engine looked at in one way share it, so it may be kept per fingerprint.
    """

    paths: frozenset[str]  # dotted paths inside the body, those of mappings too
    prompt: str | None = None  # the prompt that was asked, as the body records it


def provided(body: Mapping[str, Any]) -> Provided:
    """What a body holds. A null counts as present: the stage looked, and cannot know."""
    prompt = body.get("prompt")
    return Provided(frozenset(_paths(body, "")), prompt if isinstance(prompt, str) else None)


def boundary(
    policy: Policy, evidence_index: Mapping[str, Mapping[str, Any] | Provided | None]
) -> str:
    """The stage that a replay under this policy starts from. "curated" if nothing is lacking.

    ``evidence_index`` maps each stage that Truth has evidence of to its body, or to what that
    provides. Later stages follow from the boundary, so they are not looked at.
    """
    for stage in STAGES[:-1]:
        if lacking(policy, stage, evidence_index.get(stage)):
            return stage
    return "curated"


def lacking(
    policy: Policy, stage: str, evidence: Mapping[str, Any] | Provided | None
) -> tuple[str, ...]:
    """The paths inside a stage's evidence that the policy needs and that are not there.

    "prompt" stands for evidence that was asked with another prompt than the policy needs.
    """
    required = policy.required.get(stage, ())
    needs = policy.document.needs.enriched if stage == "enriched" else None
    prompt = needs.prompt if needs else None
    if not required and prompt is None:
        return ()
    if isinstance(evidence, Mapping):
        evidence = provided(evidence)
    held = evidence.paths if evidence else frozenset()
    missing = [path for path in required if path not in held and not _unsaid(stage, path, held)]
    if prompt is not None and (evidence is None or evidence.prompt != prompt):
        missing.append("prompt")
    return tuple(missing)


def unasked(policy: Policy, stage: str, evidence: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What the policy wants a stage's engine to be asked, and this evidence does not answer.

    "prompt", and names of metrics. A metric without a value is an answer: the engine was asked.
    Such evidence was made for another policy, so nothing may be decided from it.
    """
    needs, body = policy.document.needs, evidence or {}
    if stage == "enriched" and needs.enriched and needs.enriched.prompt:
        return () if body.get("prompt") == needs.enriched.prompt else ("prompt",)
    if stage == "scored" and needs.scored:
        measured = body.get("metrics")
        held = measured if isinstance(measured, Mapping) else {}
        return tuple(metric for metric in needs.scored.metrics if metric not in held)
    return ()


def _unsaid(stage: str, path: str, held: frozenset[str]) -> bool:
    """Whether the image does not say it, so that asking again would not help."""
    return is_sparse(f"{stage}.{path}") and path.split(".")[0] in held


def _paths(body: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in body.items():
        yield prefix + str(key)
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")
