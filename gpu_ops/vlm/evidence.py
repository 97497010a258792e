"""The `enriched` evidence body that every engine with a vision-language model records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_ops.interface import LABELS
from gpu_ops.vlm import description

LEAST_MASS = 0.5
"""Under this probability of answering with one of the letters at all, the category is unknown."""


def body(
    *,
    engine: str,
    prompt: str,
    labels: Sequence[str] = LABELS,
    probabilities: Mapping[str, float],
    calibration: str,
    answer_mass: float | None,
    least_mass: float = LEAST_MASS,
    raw: str | None,
) -> dict[str, Any]:
    """One evidence body.

    `labels` are the kinds there are, and `probabilities` label -> probability over all of them.
    `calibration` names what made them probabilities: "none" where they are the model's own.
    `raw` is the description as the model wrote it, None where none was asked; it is kept where it
    is not a valid description.
    `answer_mass` is the probability that the model's answer is one of the letters. Where it is less
    than `least_mass`, what the letters share says nothing: a model that thinks first, or refuses,
    leaves them crumbs. The category is then unknown, and policies send the image to review.
    None: it was not measured, since a schema allowed nothing but letters.
    `prompt` is the prompt's id, which a policy may ask for.
    """
    if sorted(probabilities) != sorted(labels):
        raise ValueError(f"probabilities must be over exactly {', '.join(labels)}")
    known = answer_mass is None or answer_mass >= least_mass
    category = max(labels, key=lambda label: probabilities[label]) if known else None
    confidence = round(probabilities[category], 6) if category else None
    return {
        "category": category,
        "probabilities": {
            label: round(probabilities[label], 6) if known else None for label in labels
        },
        "confidence": confidence,
        "group": [category] if category else None,
        "group_confidence": confidence,
        "answer_mass": None if answer_mass is None else round(min(1.0, answer_mass), 4),
        "distinguishes": [[label] for label in labels],
        "calibration": calibration,
        **_words(raw),
        "engine": engine,
        "prompt": prompt,
    }


def no_letter(answer_mass: float) -> str:
    """What is wrong with a model whose answers are no letters, in words for the operator."""
    return (
        f"the model does not answer with a letter (probability {answer_mass:.4g}): "
        "does it think or greet first? Use a model that answers at once, or turn thinking off"
    )


def _words(raw: str | None) -> dict[str, Any]:
    """The fields that come from the description. A model gives no confidence in a tag.

    Of a description that is not valid, the fields that are: `caption` is null where it is not.
    """
    described = description.parse(raw) if raw is not None else None
    fields: dict[str, Any] = {}
    if described:
        fields = described.model_dump()
    elif raw is not None:
        fields = description.salvage(raw)
    caption, seen = fields.get("caption"), fields.get("visible_text")
    kept = {} if raw is None or described else {"description_raw": description.unicode(raw)}
    return {
        "caption": caption,
        "caption_source": "none" if caption is None else "model",
        "tags": [{"name": tag, "confidence": None} for tag in fields.get("tags", ())],
        "objects": fields.get("objects", []),
        "visible_text": seen,
        "text": _text(seen),
        **kept,
    }


def _text(seen: str | None) -> dict[str, Any]:
    if seen is None:
        return {"words": None, "lines": None, "boxes": None, "area_share": None,
                "examined": "none"}  # fmt: skip
    lines = [line.strip() for line in seen.splitlines() if line.strip()]
    return {
        "words": len(seen.split()),
        "lines": [{"text": line, "confidence": None} for line in lines],
        "boxes": None,  # a model says what is written, not where
        "area_share": None,
        "examined": "model",
    }
