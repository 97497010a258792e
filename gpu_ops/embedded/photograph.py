"""Whether an image is a photograph: six views of it, each with a curved answer.

A view is a part of what the network and the measures say: means of three depths, which channels
answer together in two, and the measures of pixels and text. Where a view is far from all that is
usual, it says little. If the image is a graphic, `category` says of which kind.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from gpu_ops.embedded import weights
from gpu_ops.embedded.backbone import NUMBERS, PAIRS, POOLED

MODEL_FILE = "photograph_model.json"
VIEWS_FILE = "photograph_views.npz"  # beside the weights of the networks

#: Where each view begins among the backbone's numbers, followed by the features, and where it ends.
VIEWS = {
    "middle": (0, 304),
    "late": (304, 624),
    "head": (624, POOLED),
    "early_pairs": (POOLED, POOLED + PAIRS[0]),
    "middle_pairs": (POOLED + PAIRS[0], NUMBERS),
    "features": (NUMBERS, None),
}


@dataclass(frozen=True)
class View:
    """One look at a picture: what it says is a bell times a line and a few parabolas."""

    start: int
    end: int | None
    scale: float  # of standardised numbers, so that the bell has a width of 1
    level: float
    line: Any  # (numbers of the view,), float64
    directions: Any  # (numbers of the view, parabolas), float64
    curves: Any  # (parabolas,), float64

    def says(self, numbers: Any) -> float:
        """More for a graphic, less for a photograph, of all standardised numbers."""
        import numpy as np

        seen = self.scale * numbers[self.start : self.end]
        along = np.einsum("i,ij->j", seen, self.directions)
        bent = np.einsum("j,j,j", along, along, self.curves)
        bell = math.exp(-float(np.einsum("i,i", seen, seen)))
        return bell * (self.level + float(np.einsum("i,i", seen, self.line) + bent))


@dataclass(frozen=True)
class Look:
    """How a picture's numbers are made comparable, and the views of them."""

    centre: Any  # of each number of the backbone, then of each feature, float64
    spread: Any
    views: tuple[View, ...]


@dataclass(frozen=True)
class PhotographModel:
    identifier: str  # name@version, and the hash of the file
    features: tuple[str, ...]  # of `category.features`
    packed: bytes  # of `VIEWS_FILE`
    limit: float  # standardised features are clipped to ± this
    bias: float
    slope: float  # calibrated on held-out sources
    offset: float

    @cached_property
    def look(self) -> Look:
        """Unpacked when a first picture is described: a process may only ask for the identity."""
        return unpacked(self.packed)

    def graphic(self, seen: Any, features: Mapping[str, float]) -> float:
        """The probability that it is a graphic, of the backbone's numbers and the features."""
        import numpy as np

        measured = np.concatenate([seen, [features[name] for name in self.features]])
        numbers = standard(measured, self.look.centre, self.look.spread, self.limit)
        score = self.bias + sum(view.says(numbers) for view in self.look.views)
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.slope * score + self.offset))))


def standard(measured: Any, centre: Any, spread: Any, limit: float) -> Any:
    """Numbers of the backbone and features (…, all of them), comparable; the features clipped."""
    numbers = (measured - centre) / spread
    numbers[..., NUMBERS:] = numbers[..., NUMBERS:].clip(-limit, limit)
    return numbers


def unpacked(packed: bytes) -> Look:
    """The arrays of `VIEWS_FILE`, in 64 bits."""
    import numpy as np

    with np.load(io.BytesIO(packed)) as file:
        kept = {name: file[name].astype(np.float64) for name in file.files}
    views = tuple(
        View(
            start,
            end,
            float(kept[f"{name}_scale"]),
            float(kept[f"{name}_level"]),
            kept[f"{name}_line"],
            kept[f"{name}_directions"],
            kept[f"{name}_curves"],
        )
        for name, (start, end) in VIEWS.items()
    )
    return Look(kept["centre"], kept["spread"], views)


def load() -> PhotographModel:
    """Read the committed model.

    Raises ValueError if it is of another backbone, `BadWeights` if its views are missing or
    not its own.
    """
    raw = resources.files(__package__).joinpath(MODEL_FILE).read_bytes()
    body = json.loads(raw)
    if body["numbers"] != NUMBERS:
        raise ValueError(f"{MODEL_FILE}: of {body['numbers']} numbers, not {NUMBERS}; refit it")
    packed = weights.checked(weights.FOLDER / VIEWS_FILE, body["views"])
    return PhotographModel(
        identifier=f"{body['id']}+{hashlib.sha256(raw).hexdigest()[:12]}",
        features=tuple(body["features"]),
        packed=packed,
        limit=body["limit"],
        bias=body["bias"],
        slope=body["slope"],
        offset=body["offset"],
    )
