"""Decisions of people who keep dark pictures with strong colour, and the taste of them."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from parjanya_dagster.learning.taste import Taste
from parjanya_dagster.learning.training import Decided, decided, train

SPACE = {"engine": "stub", "model": "m", "revision": "1", "dimension": 4}


def bodies(n: int) -> dict[str, dict[str, Any]]:
    chance = random.Random(n)
    return {
        "validated": {
            "technical": {"brightness": chance.random(), "colourfulness": chance.uniform(0, 100)},
            "format": "jpeg",
        },
        "enriched": {"confidence": chance.random(), "probabilities": {"photo": chance.random()}},
        "scored": {"quality": None, "metrics": {"piqe": {"value": 30, "lower_better": True}}},
    }


def keeps(evidence: dict[str, dict[str, Any]]) -> bool:
    """Dark pictures with strong colour."""
    technical = evidence["validated"]["technical"]
    return bool(technical["brightness"] < 0.6 and technical["colourfulness"] > 40)


def decision(n: int, **also: Any) -> Decided:
    evidence = bodies(n)
    return decided(
        **{
            "image_id": f"{n:024x}", "accepted": keeps(evidence), "at": 100.0 + n,
            "sha256": f"{n:064x}", "phash": f"{random.Random(n).getrandbits(64):016x}",
            "fingerprints": {"validated": f"v{n}"}, "bodies": evidence, **also,
        }
    )  # fmt: skip


@cache
def learned() -> Taste:
    return train("acme", [decision(n) for n in range(300)])
