"""How a test asks for an engine."""

from __future__ import annotations

import os
from collections.abc import Callable

from gpu_ops.vlm.enricher import TransformersEnricher

Engine = Callable[..., TransformersEnricher]
DEVICE = os.environ.get("PARJANYA_TEST_DEVICE", "cpu")  # "cuda" on a machine that has one
