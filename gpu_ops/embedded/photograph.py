"""Whether an image is a photograph: a linear model on the backbone, the pixels and the text.

If it is a graphic, `category` says of which kind.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from gpu_ops.embedded.backbone import POOLED

MODEL_FILE = "photograph_model.json"


@dataclass(frozen=True)
class PhotographModel:
    identifier: str  # name@version, and the hash of the file
    pooled: tuple[float, ...]  # a weight for each number of the backbone
    features: tuple[str, ...]  # of `category.features`
    centre: tuple[float, ...]  # per feature
    spread: tuple[float, ...]
    limit: float  # standardised features are clipped to ± this
    weights: tuple[float, ...]  # per standardised feature
    bias: float
    slope: float  # calibrated on held-out sources
    offset: float

    def graphic(self, pooled: Any, features: Mapping[str, float]) -> float:
        """The probability that it is a graphic, of the backbone's numbers and the features."""
        import numpy as np

        score = self.bias + float(np.asarray(pooled, dtype=np.float64) @ np.array(self.pooled))
        parts = zip(self.features, self.centre, self.spread, self.weights, strict=True)
        for name, centre, spread, weight in parts:
            value = (features[name] - centre) / spread
            score += weight * max(-self.limit, min(self.limit, value))
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.slope * score + self.offset))))


def load() -> PhotographModel:
    """Read the committed model. Raises ValueError if it is of another backbone."""
    raw = resources.files(__package__).joinpath(MODEL_FILE).read_bytes()
    body = json.loads(raw)
    if len(body["pooled"]) != POOLED:
        raise ValueError(f"{MODEL_FILE}: {len(body['pooled'])} weights for {POOLED}; refit it")
    return PhotographModel(
        identifier=f"{body['id']}+{hashlib.sha256(raw).hexdigest()[:12]}",
        pooled=tuple(body["pooled"]),
        features=tuple(body["features"]),
        centre=tuple(body["centre"]),
        spread=tuple(body["spread"]),
        limit=body["limit"],
        weights=tuple(body["weights"]),
        bias=body["bias"],
        slope=body["slope"],
        offset=body["offset"],
    )
