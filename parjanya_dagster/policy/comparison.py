"""What flips between two sets of decisions over the same images: counts, reasons, examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .canonical import canonical_json
from .evaluation import Decision

Decided = Decision | Mapping[str, Any]  # a decision, or its "curated" body as Truth holds it


@dataclass(frozen=True)
class Flip:
    """Images whose verdict changes in one way."""

    before: str
    after: str
    images: int
    rules: Mapping[str, int]  # images per rule that spoke for the new verdict, most first
    examples: tuple[str, ...]  # image ids, the first ones in order


@dataclass(frozen=True)
class Comparison:
    compared: int  # images that both sides decided
    identical: int  # of those, decisions equal byte for byte
    same_verdict: int  # of those, equal verdicts, for whatever reasons
    flips: tuple[Flip, ...]  # the most frequent first
    only_a: int  # images that one side alone decided
    only_b: int

    def body(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            "compared": self.compared,
            "identical": self.identical,
            "same_verdict": self.same_verdict,
            "flips": [
                {
                    "before": flip.before,
                    "after": flip.after,
                    "images": flip.images,
                    "rules": dict(flip.rules),
                    "examples": list(flip.examples),
                }
                for flip in self.flips
            ],
            "only_a": self.only_a,
            "only_b": self.only_b,
        }


def compare(
    decisions_a: Mapping[str, Decided], decisions_b: Mapping[str, Decided], *, examples: int = 5
) -> Comparison:
    """Compare decisions by image id. Does not depend on the order of either mapping."""
    flipped: dict[tuple[str, str], list[str]] = {}
    spoke: dict[tuple[str, str], Counter[str]] = {}
    identical = same = 0
    shared = sorted(decisions_a.keys() & decisions_b.keys())
    for image_id in shared:
        before, after = _body(decisions_a[image_id]), _body(decisions_b[image_id])
        if before["verdict"] == after["verdict"]:
            same += 1
            identical += before == after and canonical_json(before) == canonical_json(after)
            continue
        flip = (before["verdict"], after["verdict"])
        flipped.setdefault(flip, []).append(image_id)
        rules = {r["rule"] for r in after["reasons"] if r["verdict"] == after["verdict"]}
        spoke.setdefault(flip, Counter()).update(sorted(rules))
    flips = [
        Flip(
            flip[0],
            flip[1],
            len(images),
            dict(sorted(spoke[flip].items(), key=lambda item: (-item[1], item[0]))),
            tuple(images[:examples]),
        )
        for flip, images in flipped.items()
    ]
    flips.sort(key=lambda flip: (-flip.images, flip.before, flip.after))
    return Comparison(
        compared=len(shared),
        identical=identical,
        same_verdict=same,
        flips=tuple(flips),
        only_a=len(decisions_a.keys() - decisions_b.keys()),
        only_b=len(decisions_b.keys() - decisions_a.keys()),
    )


def _body(decided: Decided) -> Mapping[str, Any]:
    return decided.body() if isinstance(decided, Decision) else decided
