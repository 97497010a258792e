"""The space of vectors: those of one engine, model and revision. No others compare with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gpu_ops.interface import Embedder


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What made the vectors."""

    engine: str
    model: str
    revision: str
    dimension: int

    @property
    def id(self) -> str:
        """Its name in keys and answers, such as `embedded-3f9c01b2a4de`."""
        parts = "\n".join((self.engine, self.model, self.revision, str(self.dimension)))
        return f"{self.engine}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def space_of(embedder: Embedder) -> Space:
    """The space that an engine makes vectors of. Loads no model."""
    made_by = embedder.identity
    return Space(
        engine=made_by.engine,
        model=made_by.model,
        revision=made_by.revision,
        dimension=embedder.dimension,
    )
