"""From an image's measures to probabilities over the categories, by a small committed model.

The model tells groups of categories apart, not all eight. A group's probability is shared equally
among its categories, so nobody mistakes "some kind of graphic" for "a poster".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from gpu_ops.interface import LABELS

if TYPE_CHECKING:
    from gpu_ops.embedded.text import Reading

MODEL_FILE = "category_model.json"
PHOTO = ("photo",)


@dataclass(frozen=True)
class CategoryModel:
    """Multinomial logistic regression over standardised features, one class per group."""

    identifier: str  # name@version, and the hash of the file
    groups: tuple[tuple[str, ...], ...]  # the categories each class stands for
    features: tuple[str, ...]
    centre: tuple[float, ...]  # per feature
    spread: tuple[float, ...]
    limit: float  # standardised values are clipped to ± this, so an odd image stays unsure
    weights: tuple[tuple[float, ...], ...]  # per group, per feature
    bias: tuple[float, ...]  # per group
    temperature: float  # divides the logits; fitted on held-out sources

    def group_probabilities(self, features: Mapping[str, float]) -> list[float]:
        """Return one probability per group, summing to 1."""
        values = [
            max(-self.limit, min(self.limit, (features[name] - centre) / spread))
            for name, centre, spread in zip(self.features, self.centre, self.spread, strict=True)
        ]
        logits = [
            (bias + sum(w * v for w, v in zip(row, values, strict=True))) / self.temperature
            for row, bias in zip(self.weights, self.bias, strict=True)
        ]
        highest = max(logits)
        powers = [math.exp(logit - highest) for logit in logits]
        return [power / sum(powers) for power in powers]

    def describe(self, features: Mapping[str, float], graphic: float) -> dict[str, Any]:
        """Return category, probabilities, confidence and what the model can tell apart.

        `graphic` is the probability that it is no photograph, which `photograph` tells better. What
        is said here is how it is shared among the groups of graphics.
        `confidence` is the named category's own probability. Within a group of several it is low
        by construction; `group_confidence` is the group's.
        """
        shares = self.group_probabilities(features)
        others = sum(s for group, s in zip(self.groups, shares, strict=True) if group != PHOTO)
        shares = [
            1 - graphic if group == PHOTO else graphic * share / others
            for group, share in zip(self.groups, shares, strict=True)
        ]
        probabilities = dict.fromkeys(LABELS, 0.0)
        for group, share in zip(self.groups, shares, strict=True):
            for label in group:
                probabilities[label] = share / len(group)
        best = max(range(len(shares)), key=shares.__getitem__)
        category = self.groups[best][0]
        return {
            "category": category,
            "probabilities": {label: round(p, 6) for label, p in probabilities.items()},
            "confidence": round(probabilities[category], 6),
            "group": list(self.groups[best]),
            "group_confidence": round(shares[best], 6),
            "distinguishes": [list(group) for group in self.groups],
        }


def load() -> CategoryModel:
    """Read the committed model. Raises ValueError when it does not cover every category once."""
    raw = resources.files(__package__).joinpath(MODEL_FILE).read_bytes()
    body = json.loads(raw)
    groups = tuple(tuple(group) for group in body["groups"])
    if sorted(label for group in groups for label in group) != sorted(LABELS):
        raise ValueError(f"{MODEL_FILE}: the groups must hold each category once; refit it")
    return CategoryModel(
        identifier=f"{body['id']}+{hashlib.sha256(raw).hexdigest()[:12]}",
        groups=groups,
        features=tuple(body["features"]),
        centre=tuple(body["centre"]),
        spread=tuple(body["spread"]),
        limit=body["limit"],
        weights=tuple(tuple(row) for row in body["weights"]),
        bias=tuple(body["bias"]),
        temperature=body["temperature"],
    )


def features(statistics: Mapping[str, float], reading: Reading) -> dict[str, float]:
    """Join pixel measures and text measures into what the model reads.

    Counts enter by their logarithm and areas by their root, so that the tenth box says less than
    the first.
    """
    letters = sum(len(line.text) for line in reading.lines)
    return {
        **statistics,
        "text_boxes": math.log1p(reading.boxes),
        "text_area": math.sqrt(reading.area_share),
        "text_confirmed": math.sqrt(reading.confirmed_share),
        "text_letters": math.log1p(letters),
    }
