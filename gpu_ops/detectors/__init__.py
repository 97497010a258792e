"""Detectors: facts beside those that an engine of the stage `enriched` tells.

Each is optional, and answers one question. What it cannot know it leaves empty.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpu_ops.detectors.detector import Detector

NAMES = ("faces", "language", "nsfw")
"""The detectors there are, in the order in which they are run."""


def named(names: Sequence[str]) -> tuple[Detector, ...]:
    """The detectors of these names, each once, in the order of `NAMES`. Loads no model.

    Raises ValueError for a name that is none.
    """
    if unknown := [name for name in names if name not in NAMES]:
        raise ValueError(f"there is no detector {unknown[0]!r}; choose from {', '.join(NAMES)}")
    return tuple(_build(name) for name in NAMES if name in names)


def _build(name: str) -> Detector:
    if name == "faces":
        from gpu_ops.detectors.faces import Faces

        return Faces()
    if name == "language":
        from gpu_ops.detectors.language import Language

        return Language()
    from gpu_ops.detectors.nsfw import Nsfw

    return Nsfw()
