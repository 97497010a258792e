"""Checks that the parts of a document agree with each other. Its shape cannot say that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .document import PROBABILITIES, Document, Needs, Rule
from .reading import Location

NO_OBJECTION: Final = "no_objection"  # the rule id of the reason that an accept carries
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def disagreements(document: Document) -> Iterator[tuple[Location, str]]:
    """Where the parts of a document contradict each other: (location, what to do)."""
    seen: set[str] = {NO_OBJECTION}
    for index, rule in enumerate(document.rules):
        at: Location = ("rules", index)
        if rule.id in seen:
            yield (*at, "id"), f"{rule.id!r} is taken: give each rule its own id"
        seen.add(rule.id)
        for path in rule.paths:
            if missing := undeclared(path, document.needs):
                yield (*at, "when"), f"reads {path}: {missing}"
        for comparison in rule.comparisons:
            if comparison.review_from is not None and rule.verdict == "review":
                yield (*at, "verdict"), "review_from is for verdict: reject, this reviews already"
        for message in _placeholders(rule):
            yield (*at, "reason"), message
    reads = {path.split(".")[0] for rule in document.rules for path in rule.paths}
    if document.confidence.enriched is not None and "enriched" not in reads:
        yield ("confidence", "enriched"), "no rule reads enriched evidence: leave it out"


def undeclared(path: str, needs: Needs) -> str | None:
    """What to add to ``needs`` so that a rule may read this path. None: nothing is missing."""
    stage, _, rest = path.partition(".")
    if stage == "validated":
        return None if rest in needs.validated else f"add {rest} to needs.validated"
    if stage == "enriched":
        if path.startswith(PROBABILITIES):
            label = path.removeprefix(PROBABILITIES)
            known = needs.enriched is not None and label in needs.enriched.taxonomy
            return None if known else f"add {label} to needs.enriched.taxonomy"
        if rest in ("category", "confidence"):
            known = needs.enriched is not None and bool(needs.enriched.taxonomy)
            return None if known else "name the labels in needs.enriched.taxonomy"
        known = needs.enriched is not None and rest in needs.enriched.fields
        return None if known else f"add {rest} to needs.enriched.fields"
    if stage == "taste":
        if rest != "accept":
            return "of a taste there is taste.accept"
        return None if needs.taste is not None else "add needs.taste, as `parjanya taste show` says"
    if rest == "quality":
        return None if needs.scored is not None else "add needs.scored"
    kind, _, metric = rest.partition(".")
    metric, _, leaf = metric.rpartition(".")
    if kind == "metrics" and leaf in ("value", "normalized"):
        known = needs.scored is not None and metric in needs.scored.metrics
        return None if known else f"add {metric} to needs.scored.metrics"
    return "scored evidence has scored.quality and scored.metrics.<name>.value or .normalized"


def _placeholders(rule: Rule) -> Iterator[str]:
    known = set(rule.paths)
    if len(rule.comparisons) == 1:
        known |= {"value"}
        if len(rule.comparisons[0].ordering) == 1:
            known |= {"threshold"}
    for name in _PLACEHOLDER.findall(rule.reason):
        if name not in known:
            yield f"{{{name}}} is not known here, use one of: {', '.join(sorted(known))}"
    if re.search(r"[{}]", _PLACEHOLDER.sub("", rule.reason)):
        yield "a brace stands alone: write placeholders as {name}"
