"""A taste: what one tenant's people would accept, learned from what they decided.

Immutable and content-hashed. Pure: what it says of an image follows from recorded evidence alone.
It says nothing where something is missing, where an image is unlike what people decided on, or
where held-out decisions do not bear its probabilities out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parjanya_dagster.errors import TasteBroken
from parjanya_dagster.learning.calibration import BINS, Bin, place_of
from parjanya_dagster.learning.features import Design, Examples, numbers, tabled
from parjanya_dagster.learning.logistic import sigmoid
from parjanya_dagster.learning.trees import Trees
from parjanya_dagster.policy.canonical import canonical_json, content_hash

FORMAT: Final = 1  # of a regression
WITH_TREES: Final = 2
DIGITS: Final = 9  # of a number in a taste
_BEYOND: Final = 1.1  # times the farthest example: what lies beyond is unlike them


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a taste says of one image. Where `accept` is None, `unknown` says why."""

    accept: float | None  # the probability that people accept it
    unknown: str = ""


@dataclass(frozen=True, kw_only=True)
class Taste:
    """A trained model and its record."""

    tenant: str
    design: Design
    weights: NDArray[np.float64] | None = None  # (columns + 1,), the intercept last
    penalty: float | None = None
    trees: Trees | None = None  # in the place of weights
    calibration: Sequence[Bin]
    space: Mapping[str, Any] | None  # of the vectors it reads
    learned_from: Mapping[str, Any]  # decisions: n, accept, reject, digest, until
    held_out: Mapping[str, Any]  # agreement, log loss, calibration error

    def body(self) -> dict[str, Any]:
        """Plain data. Equal decisions give equal bytes: no version, no time of training."""
        return {
            name: _rounded(part)
            for name, part in {
                "format": FORMAT if self.trees is None else WITH_TREES,
                "tenant": self.tenant,
                "learned_from": dict(self.learned_from),
                "held_out": dict(self.held_out),
                "calibration": [
                    {"n": one.n, "stated": one.stated, "accepted": one.accepted}
                    for one in self.calibration
                ],
                "space": dict(self.space) if self.space else None,
                "design": _design_body(self.design),
                **self._model_body(),
            }.items()
        }

    def _model_body(self) -> dict[str, Any]:
        if self.trees is not None:
            return {"trees": {name: _plain(getattr(self.trees, name)) for name in _OF_TREES}}
        assert self.weights is not None
        return {"penalty": self.penalty, "weights": self.weights.tolist()}

    @property
    def data(self) -> bytes:
        return canonical_json(self.body())

    @property
    def hash(self) -> str:
        return content_hash(self.body())

    @property
    def kind(self) -> str:
        """Of its model, in words."""
        return "a regression" if self.trees is None else f"{len(self.trees.leaves)} trees"

    @property
    def features(self) -> Sequence[str]:
        return self.design.paths

    def opinions(
        self,
        bodies: Sequence[Mapping[str, Mapping[str, Any]]],
        vectors: Sequence[NDArray[Any] | None] | None = None,
    ) -> list[Opinion]:
        """What it says of images. `bodies`: stage -> recorded evidence, of each. `vectors`: those
        in its space, None where an image has none.
        """
        images = [numbers(one) for one in bodies]
        examples = tabled(images, self.features, vectors, self.dimension)
        whole = examples.whole
        distances = self.design.distances(examples)
        stated = np.full(len(images), np.nan)
        if whole.any():
            stated[whole] = sigmoid(self._logits(examples.only(whole)))
        said = []
        for at, image in enumerate(images):
            if not whole[at]:
                lost = [path for path in self.features if path not in image]
                named = ", ".join(lost[:3]) + (" …" if lost[3:] else "") if lost else "its vector"
                said.append(Opinion(accept=None, unknown=f"missing: {named}"))
            elif distances[at] > _BEYOND * self.design.farthest:
                odd = self.design.strangest(examples.table[at])
                said.append(Opinion(accept=None, unknown=f"unlike what people decided on: {odd}"))
            else:
                said.append(self._within(float(stated[at])))
        return said

    def _logits(self, examples: Examples) -> NDArray[np.float64]:
        if self.trees is not None:
            return np.asarray(self.trees.logits(self.design.plain(examples))[:, -1])
        assert self.weights is not None
        return np.asarray(self.design.columns(examples) @ self.weights[:-1] + self.weights[-1])

    def _within(self, stated: float) -> Opinion:
        if not self.calibration[place_of(stated)].reached:
            why = f"held-out decisions do not confirm {stated:.2f}"
            return Opinion(accept=None, unknown=why)
        return Opinion(accept=round(stated, 6))

    @property
    def dimension(self) -> int:
        """Of the vectors it reads. 0: it reads none."""
        return int(self.space["dimension"]) if self.space else 0


def read(data: bytes) -> Taste:
    """A taste from its bytes. Raises TasteBroken."""
    import json

    try:
        body = json.loads(data)
        if body["format"] not in (FORMAT, WITH_TREES):
            known = f"{FORMAT} and {WITH_TREES}"
            raise ValueError(f"its format is {body['format']!r}, and {known} are read here")
        count = len(body["calibration"])
        if count != BINS:
            raise ValueError(f"its calibration has {count} bins, and not {BINS}")
        curve = [
            Bin(low=at / count, high=(at + 1) / count, **one)
            for at, one in enumerate(body["calibration"])
        ]
        taste = Taste(
            tenant=body["tenant"],
            design=_design(body["design"]),
            **_model(body),
            calibration=curve,
            space=body["space"],
            learned_from=body["learned_from"],
            held_out=body["held_out"],
        )
        taste.opinions([{}])  # what cannot be asked, or has no hash, is no taste
        _ = taste.hash
    except Exception as error:  # whatever its bytes are
        raise TasteBroken(f"It cannot be read: {error}.") from error
    return taste


_OF_TREES: Final = ("start", "features", "thresholds", "leaves")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _model(body: Mapping[str, Any]) -> dict[str, Any]:
    if body["format"] == FORMAT:
        weights = np.array(body["weights"], dtype=np.float64)
        return {"weights": weights, "penalty": body["penalty"]}
    grown = body["trees"]
    features = np.array(grown["features"], dtype=np.int64)
    columns = len(body["design"]["paths"])
    if features.min() < 0 or features.max() >= columns:
        raise ValueError(f"its trees ask of a feature that is none of its {columns}")
    shaped = {name: np.array(grown[name], dtype=np.float64) for name in ("thresholds", "leaves")}
    sizes = features.shape, shaped["thresholds"].shape, shaped["leaves"].shape
    if sizes != ((len(features), 3), (len(features), 3), (len(features), 4)):
        raise ValueError("its trees are not of four leaves each")
    return {"trees": Trees(start=float(grown["start"]), features=features, **shaped)}


_ARRAYS: Final = ("lows", "highs", "knots", "principal", "offset", "centers", "scales")


def _design_body(design: Design) -> dict[str, Any]:
    arrays = {name: getattr(design, name) for name in _ARRAYS}
    kept = {name: None if a is None else a.tolist() for name, a in arrays.items()}
    # JSON has no infinity: 0 stands for the scale of a column that does not vary.
    kept["scales"] = np.where(np.isinf(design.scales), 0.0, design.scales).tolist()
    return {"paths": list(design.paths), "farthest": design.farthest, **kept}


def _design(body: Mapping[str, Any]) -> Design:
    arrays = {
        name: None if body[name] is None else np.array(body[name], dtype=np.float64)
        for name in _ARRAYS
    }
    scales = arrays["scales"]
    assert scales is not None
    arrays["scales"] = np.where(scales == 0.0, np.inf, scales)
    return Design(paths=list(body["paths"]), farthest=float(body["farthest"]), **arrays)  # type: ignore[arg-type]


def _rounded(value: Any) -> Any:
    """Numbers of so many digits, so that the last bits of a machine do not matter."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value
