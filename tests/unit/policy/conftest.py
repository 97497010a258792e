"""One image's evidence, as the stages write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

GRAPHICS = (
    "screenshot",
    "banner",
    "poster",
    "slide",
    "social_card",
    "infographic",
    "illustration",
)


@pytest.fixture
def evidence() -> Callable[..., dict[str, Any]]:
    """Evidence of a good photograph; ``graphic`` is the share that is spread over the graphics."""

    def build(
        *, side: int = 900, quality: float = 70.0, graphic: float = 0.07, confidence: float = 0.93
    ) -> dict[str, Any]:
        return {
            "validated": {
                "sha256": "ab" * 32,
                "likeness": {"views": ["0f" * 8]},
                "exif": {},
                "technical": {"shorter_side": side},
            },
            "enriched": {
                "category": "photo" if graphic < 0.5 else "screenshot",
                "probabilities": {
                    "photo": 1 - graphic,
                    **{label: graphic / len(GRAPHICS) for label in GRAPHICS},
                },
                "confidence": confidence,
                "distinguishes": [["photo"], list(GRAPHICS)],
                "caption": None,
            },
            "scored": {"quality": quality, "metrics": {"piqe": {"value": 31.0}}},
        }

    return build
