"""Engines by name, built once per process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_ops.detectors import named
from gpu_ops.detectors.detecting import beside
from gpu_ops.interface import Embedder, Enricher, Scorer

if TYPE_CHECKING:
    from gpu_ops.embedding.options import ModelOptions, ServedOptions
    from gpu_ops.endpoint.options import Options as EndpointOptions
    from gpu_ops.iqa.options import Options as IqaOptions
    from gpu_ops.vlm.options import Options

#: The engines there are, by kind, the default first.
NAMES: Mapping[str, tuple[str, ...]] = {
    "enricher": ("embedded", "embedded-tags", "transformers", "openai"),
    "scorer": ("embedded", "embedded-full", "pyiqa"),
    "embedder": ("embedded", "embedded-lite0", "transformers", "openai"),
}

OVERLAY = "overlay"
"""A detector that is part of the enrichers which read text in boxes."""
READERS = ("embedded", "embedded-tags")

_lock = threading.RLock()
_engines: dict[tuple[str, str, Any, tuple[str, ...]], Any] = {}


def enricher(
    name: str = "embedded",
    options: Options | EndpointOptions | None = None,
    detectors: Sequence[str] = (),
) -> Enricher:
    """Return the process's enricher of that name. Building it loads no model; `warm()` does.

    `options` are for `transformers` and `openai`, which need those of their own package.
    `detectors` name what is looked for beside it (`gpu_ops.detectors`, and `OVERLAY`).
    Raises ValueError where options are missing, or there is no such detector.
    """
    engine: Enricher = _once("enricher", name, options, tuple(detectors))
    return engine


def scorer(name: str = "embedded", options: IqaOptions | None = None) -> Scorer:
    """Return the process's scorer of that name. Building it loads no model; `warm()` does.

    `options` are for `pyiqa`, which needs them. Raises ValueError where they are missing, and
    `BadWeights` where the weights have no manifest.
    """
    engine: Scorer = _once("scorer", name, options)
    return engine


def embedder(
    name: str = "embedded", options: ModelOptions | ServedOptions | None = None
) -> Embedder:
    """Return the process's embedder of that name. Building it loads no model; `warm()` does.

    `options` are for `transformers` and `openai` (`gpu_ops.embedding.options`). Raises ValueError
    where they are missing.
    """
    engine: Embedder = _once("embedder", name, options)
    return engine


def warm(enricher_name: str = "embedded", scorer_name: str = "embedded") -> None:
    """Load everything both engines need. Meant for a thread that runs beside other work."""
    enricher(enricher_name).warm()
    scorer(scorer_name).warm()


def _once(kind: str, name: str, options: Any = None, detectors: tuple[str, ...] = ()) -> Any:
    key = (kind, name, options, detectors)
    with _lock:
        if key not in _engines:
            others = tuple(one for one in detectors if one != OVERLAY)
            if others:
                rest = tuple(one for one in detectors if one == OVERLAY)
                _engines[key] = beside(_once(kind, name, options, rest), named(others))
            else:
                _engines[key] = _build(kind, name, options, overlays=bool(detectors))
        return _engines[key]


def _build(kind: str, name: str, options: Any, overlays: bool = False) -> Any:
    if name not in NAMES[kind]:
        raise ValueError(f"there is no {kind} named {name!r}; choose {' or '.join(NAMES[kind])}")
    if overlays and name not in READERS:
        raise ValueError(
            f"the detector `{OVERLAY}` judges boxes of the embedded text reader, and the engine "
            f"`{name}` has none: choose {' or '.join(READERS)} (PARJANYA_ENGINES__ENRICHER), or "
            "take it out of PARJANYA_ENGINES__DETECTORS"
        )
    if kind == "embedder":
        return _embedder(name, options)
    if name == "transformers":
        _require("transformers", name, "vlm")
        from gpu_ops.vlm.enricher import TransformersEnricher

        if options is None:
            raise ValueError("the engine `transformers` needs options: which model?")
        return TransformersEnricher(options)
    if name == "openai":
        from gpu_ops.endpoint.enricher import from_options

        if options is None:
            raise ValueError("the engine `openai` needs options: which server, which model?")
        return from_options(options)
    if name == "pyiqa":
        _require("pyiqa", name, "iqa")
        from gpu_ops.iqa.scorer import PyiqaScorer

        if options is None:
            raise ValueError("the engine `pyiqa` needs options: where are its weights?")
        return PyiqaScorer(Path(options.weights), options.metrics, device=options.device)
    if kind == "enricher":
        from gpu_ops.embedded.enricher import EmbeddedEnricher

        return EmbeddedEnricher(name == "embedded-tags", name, overlays)
    from gpu_ops.embedded.scorer import FAST, FULL, EmbeddedScorer

    return EmbeddedScorer(FULL if name == "embedded-full" else FAST, name)


def _embedder(name: str, options: Any) -> Embedder:
    if name == "embedded-lite0":
        from gpu_ops.embedded.lite0 import Lite0Embedder

        return Lite0Embedder()
    if name == "embedded":
        from gpu_ops.embedded.descriptor import DescriptorEmbedder

        return DescriptorEmbedder()
    if options is None:
        raise ValueError(f"the embedder `{name}` needs options: which model?")
    if name == "openai":
        from gpu_ops.embedding.served import ServedEmbedder

        return ServedEmbedder(options)
    _require("transformers", name, "vlm")
    from gpu_ops.embedding.model import ModelEmbedder

    return ModelEmbedder(options)


def _require(package: str, engine: str, extra: str) -> None:
    """Raises ImportError, which names the extra, where a package of an engine is not installed."""
    if find_spec(package) is None:
        raise ImportError(f"the engine `{engine}` needs {package}: pip install 'parjanya[{extra}]'")
