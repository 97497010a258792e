"""A temperature fitted for one model and one prompt, in a file of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_ops.vlm import categories


@dataclass(frozen=True)
class Calibration:
    """Divides log-likelihoods, so that "0.9" is right nine times of ten."""

    temperature: float
    identity: str  # "none", or the hash of its file
    model: str = ""  # revision of the model's files it was fitted for; empty: any
    prompt: str = ""  # identity of the prompt it was fitted for; empty: any

    @classmethod
    def read(cls, file: str | Path) -> Calibration:
        """Raises ValueError where the file is no calibration, OSError where it cannot be read."""
        raw = Path(file).read_bytes()
        try:
            body = json.loads(raw)
            calibration = cls(
                float(body["temperature"]),
                "sha256:" + hashlib.sha256(raw).hexdigest(),
                str(body["model"]),
                str(body["prompt"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{file} is no calibration; make one with `python -m gpu_ops calibrate`: {error!r}"
            ) from error
        if not calibration.temperature > 0:
            raise ValueError(f"{file}: the temperature must be more than 0")
        return calibration

    def require(self, model: str, prompt: str) -> None:
        """Raise ValueError unless it was fitted for this model and this prompt."""
        for what, fitted, wanted in (
            ("model", self.model, model),
            ("prompt", self.prompt, prompt),
        ):
            if fitted and fitted != wanted:
                raise ValueError(
                    f"the calibration was fitted for the {what} {fitted}, not for {wanted}; "
                    "fit it again with `python -m gpu_ops calibrate`"
                )


UNCALIBRATED = Calibration(1.0, "none")


def fit(
    examples: Sequence[tuple[Mapping[str, float], str]], *, model: str, prompt: str
) -> dict[str, Any]:
    """The body of a calibration file, from mean log-likelihoods and true labels.

    Beside the temperature it holds how far the stated confidence was off, before and after:
    `expected_calibration_error` over ten bins, and the accuracy, which no temperature changes.
    """
    temperature = categories.fit_temperature(examples)
    return {
        "model": model,
        "prompt": prompt,
        "temperature": round(temperature, 4),
        "examples": len(examples),
        "accuracy": round(
            sum(max(means, key=means.__getitem__) == truth for means, truth in examples)
            / len(examples),
            4,
        ),
        "expected_calibration_error": {
            "before": round(calibration_error(examples, 1.0), 4),
            "after": round(calibration_error(examples, temperature), 4),
        },
    }


def label_order(images: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """What the order of the labels changes, from all orders of each image (`letter_preference`):
    how often the first order alone says another kind than all of them."""
    differs = sum(_best(answers[:1]) != _best(answers) for answers in images)
    preference = categories.letter_preference(images)
    return {
        "orders": len(images[0]),
        "first_alone_differs": round(differs / len(images), 4),
        "letter_preference": {letter: round(value, 3) for letter, value in preference.items()},
    }


def _best(answers: Sequence[Mapping[str, float]]) -> str:
    means = categories.scores(answers)
    return max(means, key=means.__getitem__)


def calibration_error(
    examples: Sequence[tuple[Mapping[str, float], str]], temperature: float
) -> float:
    """Mean distance of confidence from accuracy over ten bins of confidence, weighted by size."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for means, truth in examples:
        chances = categories.probabilities(means, temperature)
        best = max(chances, key=chances.__getitem__)
        bins.setdefault(min(9, int(chances[best] * 10)), []).append((chances[best], best == truth))
    off = 0.0
    for members in bins.values():
        stated = sum(confidence for confidence, _ in members)
        right = sum(correct for _, correct in members)
        off += abs(stated - right)
    return off / len(examples)
