"""Which engines the settings choose. Nothing is loaded here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gpu_ops.engines
from gpu_ops.embedding.options import ModelOptions, ServedOptions
from gpu_ops.endpoint.client import EndpointError, EndpointUnavailable
from gpu_ops.endpoint.options import Options as EndpointOptions
from gpu_ops.interface import Embedder, Enricher, NoWords, Scorer, SomeFailed
from gpu_ops.iqa.options import Options as IqaOptions
from gpu_ops.vlm.options import Options as TransformersOptions
from parjanya_dagster.embeddings.space import Space, space_of
from parjanya_dagster.errors import EngineAway, LikenessUnknown
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
            settings.vlm.prompts,
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
            settings.vlm.visual_tokens,
            settings.vlm.prompts,
        )
    if name == "pyiqa":
        named = (metric.strip() for metric in settings.iqa.metrics.split(","))
        return IqaOptions(settings.iqa.weights, tuple(filter(None, named)), settings.engines.device)
    return None


def detectors_of(settings: Settings, stage: str) -> tuple[str, ...]:
    """What is looked for beside the stage's engine."""
    return settings.engines.wanted if stage == "enriched" else ()


def engine_of(settings: Settings, stage: str) -> Enricher | Scorer:
    """The engine of a stage. Raises ValueError, and what building it raises."""
    name, options = name_of(settings, stage), options_of(settings, stage)
    if KIND[stage] == "enricher":
        return gpu_ops.engines.enricher(name, options, detectors_of(settings, stage))
    return gpu_ops.engines.scorer(name, options)


def embedder_of(settings: Settings) -> Embedder | None:
    """The engine that makes vectors. None: none are made. Raises ImportError, ValueError."""
    name, chosen = settings.engines.embedder, settings.embedding
    options: Any = None
    if name == "none":
        return None
    if name == "transformers":
        options = ModelOptions(chosen.model, chosen.revision, settings.engines.device, chosen.query)
    if name == "openai":
        options = ServedOptions(
            chosen.url,
            chosen.model,
            chosen.revision,
            chosen.key.get_secret_value(),
            chosen.connections,
            chosen.timeout,
            chosen.instruction,
            chosen.query,
        )
    return gpu_ops.engines.embedder(name, options)


def fit_embedder_of(settings: Settings) -> Embedder:
    """The engine that makes vectors.

    Raises LikenessUnknown: there is none, or no weights. EngineAway: its server does not answer.
    """
    with telling(settings):
        embedder = embedder_of(settings)
        if embedder is not None:
            embedder.check()
    if embedder is None:
        raise LikenessUnknown(
            "No vectors are made here, so nothing can be compared: PARJANYA_ENGINES__EMBEDDER is "
            "none. Choose embedded."
        )
    return embedder


def chosen_space(settings: Settings) -> Space | None:
    """The space of the vectors that are made here. None: none are made. Loads no model.

    Raises LikenessUnknown where the engine lacks something, EngineAway where its server does not
    answer.
    """
    with telling(settings):
        embedder = embedder_of(settings)
        return None if embedder is None else space_of(embedder)


@contextmanager
def telling(settings: Settings) -> Iterator[None]:
    """What the embedder raises inside, as a person is told: LikenessUnknown, or EngineAway where
    its server may answer later."""
    try:
        yield
    except NoWords as error:
        raise LikenessUnknown(
            f"These vectors cannot be searched by words: {error}. Choose a model of images and "
            "words (PARJANYA_ENGINES__EMBEDDER=transformers or openai)."
        ) from error
    except SomeFailed as failed:
        why = next(iter(failed.errors.values()), failed)
        raise LikenessUnknown(f"The model gives no vector of this picture: {why}") from failed
    except EndpointUnavailable as error:
        raise EngineAway(f"The server of the embedding model: {error}") from error
    except (ImportError, OSError, ValueError, EndpointError) as error:
        raise LikenessUnknown(
            f"The engine {settings.engines.embedder} cannot make vectors here: {error}"
        ) from error
