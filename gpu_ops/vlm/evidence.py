"""The `enriched` evidence body that every engine with a vision-language model records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_ops.interface import LABELS
from gpu_ops.vlm import description


def body(
    *,
    engine: str,
    prompt: str,
    probabilities: Mapping[str, float],
    calibration: str,
    raw: str | None,
) -> dict[str, Any]:
    """One evidence body.

    `probabilities` is label -> probability over all `LABELS`. `calibration` names what made them
    probabilities: "none" where they are the model's own. `raw` is the description as the model
    wrote it, None where none was asked; it is kept where it is not a valid description.
    `prompt` is the prompt's id, which a policy may ask for.
    """
    if sorted(probabilities) != sorted(LABELS):
        raise ValueError(f"probabilities must be over exactly {', '.join(LABELS)}")
    rounded = {label: round(probabilities[label], 6) for label in LABELS}
    category = max(LABELS, key=lambda label: probabilities[label])
    return {
        "category": category,
        "probabilities": rounded,
        "confidence": rounded[category],
        "group": [category],
        "group_confidence": rounded[category],
        "distinguishes": [[label] for label in LABELS],
        "calibration": calibration,
        **_words(raw),
        "engine": engine,
        "prompt": prompt,
    }


def _words(raw: str | None) -> dict[str, Any]:
    """The fields that come from the description. A model gives no confidence in a tag."""
    described = description.parse(raw) if raw is not None else None
    if described is None:
        nothing: dict[str, Any] = {
            "caption": None,
            "caption_source": "none",
            "tags": [],
            "objects": [],
            "visible_text": None,
            "text": {"words": None, "lines": None, "boxes": None, "area_share": None,
                     "examined": "none"},
        }  # fmt: skip
        return nothing if raw is None else {**nothing, "description_raw": raw}
    lines = [line.strip() for line in described.visible_text.splitlines() if line.strip()]
    return {
        "caption": described.caption,
        "caption_source": "model",
        "tags": [{"name": tag, "confidence": None} for tag in described.tags],
        "objects": described.objects,
        "visible_text": described.visible_text,
        "text": {
            "words": len(described.visible_text.split()),
            "lines": [{"text": line, "confidence": None} for line in lines],
            "boxes": None,  # a model says what is written, not where
            "area_share": None,
            "examined": "model",
        },
    }
