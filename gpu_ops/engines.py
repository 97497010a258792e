"""Engines by name, built once per process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from gpu_ops.interface import Enricher, Scorer

#: The engines there are, by kind, the default first.
NAMES: Mapping[str, tuple[str, ...]] = {
    "enricher": ("embedded", "embedded-tags"),
    "scorer": ("embedded", "embedded-full"),
}

_lock = threading.RLock()
_engines: dict[tuple[str, str], Any] = {}


def enricher(name: str = "embedded") -> Enricher:
    """Return the process's enricher of that name. Building it loads no model; `warm()` does."""
    return _once("enricher", name)


def scorer(name: str = "embedded") -> Scorer:
    """Return the process's scorer of that name. Building it loads no model; `warm()` does."""
    return _once("scorer", name)


def warm(enricher_name: str = "embedded", scorer_name: str = "embedded") -> None:
    """Load everything both engines need. Meant for a thread that runs beside other work."""
    enricher(enricher_name).warm()
    scorer(scorer_name).warm()


def _once(kind: str, name: str) -> Any:
    with _lock:
        if (kind, name) not in _engines:
            _engines[kind, name] = _build(kind, name)
        return _engines[kind, name]


def _build(kind: str, name: str) -> Any:
    if name not in NAMES[kind]:
        raise ValueError(f"there is no {kind} named {name!r}; choose {' or '.join(NAMES[kind])}")
    if kind == "enricher":
        from gpu_ops.embedded.enricher import EmbeddedEnricher

        return EmbeddedEnricher(tagging=name == "embedded-tags", name=name)
    from gpu_ops.embedded.scorer import FAST, FULL, EmbeddedScorer

    return EmbeddedScorer(FULL if name == "embedded-full" else FAST, name)
