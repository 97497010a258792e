"""How a test asks for an engine."""

from __future__ import annotations

from collections.abc import Callable

from gpu_ops.vlm.enricher import TransformersEnricher

Engine = Callable[..., TransformersEnricher]
