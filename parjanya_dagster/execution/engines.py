"""Which engines the settings choose. Nothing is loaded here."""

from __future__ import annotations

from typing import Any

import gpu_ops.engines
from gpu_ops.endpoint.options import Options as EndpointOptions
from gpu_ops.interface import Embedder, Enricher, Scorer
from gpu_ops.iqa.options import Options as IqaOptions
from gpu_ops.vlm.options import Options as TransformersOptions
from parjanya_dagster.embeddings.space import Space, space_of
from parjanya_dagster.errors import LikenessUnknown
from parjanya_dagster.settings import Settings

KIND = {"enriched": "enricher", "scored": "scorer"}
"""Stage -> the kind of its engine."""


def name_of(settings: Settings, stage: str) -> str:
    return str(getattr(settings.engines, KIND[stage]))


def options_of(settings: Settings, stage: str) -> Any:
    """Options of the stage's engine; None where it takes none. Raises ValueError where wrong."""
    name = name_of(settings, stage)
    if name == "transformers":
        return TransformersOptions(
            settings.vlm.model,
            settings.vlm.revision,
            settings.vlm.prompt,
            settings.vlm.describe,
            settings.vlm.visual_tokens,
            settings.vlm.batch_tokens,
            settings.engines.device,
            settings.vlm.calibration,
            settings.vlm.answer_mass,
        )
    if name == "openai":
        return EndpointOptions(
            settings.endpoint.url,
            settings.vlm.model,
            settings.vlm.revision,
            settings.vlm.prompt,
            settings.vlm.describe,
            settings.endpoint.key.get_secret_value(),
            settings.endpoint.connections,
            settings.endpoint.timeout,
            settings.vlm.answer_mass,
            settings.vlm.calibration,
        )
    if name == "pyiqa":
        named = (metric.strip() for metric in settings.iqa.metrics.split(","))
        return IqaOptions(settings.iqa.weights, tuple(filter(None, named)), settings.engines.device)
    return None


def engine_of(settings: Settings, stage: str) -> Enricher | Scorer:
    """The engine of a stage. Raises ValueError, and what building it raises."""
    name, options = name_of(settings, stage), options_of(settings, stage)
    if KIND[stage] == "enricher":
        return gpu_ops.engines.enricher(name, options)
    return gpu_ops.engines.scorer(name, options)


def embedder_of(settings: Settings) -> Embedder | None:
    """The engine that makes vectors. None: none are made. Raises ImportError."""
    name = settings.engines.embedder
    return None if name == "none" else gpu_ops.engines.embedder(name)


def fit_embedder_of(settings: Settings) -> Embedder:
    """The engine that makes vectors. Raises LikenessUnknown: there is none, or no weights."""
    embedder = embedder_of(settings)
    if embedder is None:
        raise LikenessUnknown(
            "No vectors are made here, so nothing can be compared: PARJANYA_ENGINES__EMBEDDER is "
            "none. Choose embedded."
        )
    try:
        embedder.check()
    except (ImportError, OSError, ValueError) as error:
        raise LikenessUnknown(
            f"The engine {settings.engines.embedder} cannot make vectors here: {error}"
        ) from error
    return embedder


def chosen_space(settings: Settings) -> Space | None:
    """The space of the vectors that are made here. None: none are made. Loads no model."""
    embedder = embedder_of(settings)
    return None if embedder is None else space_of(embedder)
