"""From metrics and damage measures to one figure, `quality`: 0 is worst, 100 best.

Each measure becomes a factor between 0 and 1, by a logistic curve through two points found on real
photographs (`tools/fit_embedded_quality.py`). Quality is 100 times the product of the factors. So
one severe damage is enough for a low quality, and the smallest factor says why.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

CALIBRATION_FILE = "quality_calibration.json"


@dataclass(frozen=True)
class Curve:
    """A factor that falls from 1 to `floor` as the measure grows, half of the way at `middle`."""

    middle: float
    scale: float  # the fall is steeper with a smaller one
    floor: float  # above 0 where the measure alone must not condemn an image

    def __call__(self, value: float) -> float:
        exponent = (value - self.middle) / self.scale
        return self.floor + (1 - self.floor) / (1 + math.exp(min(exponent, 60.0)))


@dataclass(frozen=True)
class Calibration:
    identifier: str  # name@version, and the hash of the file
    curves: Mapping[str, Curve]  # per measure; each measure grows with damage

    def judge(
        self, values: Mapping[str, float | None]
    ) -> tuple[float | None, dict[str, float | None]]:
        """Return quality and its factors, one for each measure that quality uses.

        A measure that is undefined (None) has no factor, and then there is no quality either. What
        could not be measured does not count as bad.
        """
        factors: dict[str, float | None] = {}
        for name, curve in self.curves.items():
            value = values[name]
            factors[name] = None if value is None else round(curve(value), 4)
        known = [factor for factor in factors.values() if factor is not None]
        if len(known) < len(factors):
            return None, factors
        return round(100 * math.prod(known), 2), factors


def load() -> Calibration:
    raw = resources.files(__package__).joinpath(CALIBRATION_FILE).read_bytes()
    body: dict[str, Any] = json.loads(raw)
    return Calibration(
        identifier=f"{body['id']}+{hashlib.sha256(raw).hexdigest()[:12]}",
        curves={
            name: Curve(curve["middle"], curve["scale"], curve["floor"])
            for name, curve in body["curves"].items()
        },
    )
