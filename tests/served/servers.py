"""A vLLM with a tiny model, and engines that ask it or answer beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gpu_ops import engines
from gpu_ops.endpoint.enricher import EndpointEnricher
from gpu_ops.vlm.enricher import TransformersEnricher
from gpu_ops.vlm.options import Options
from parjanya_dagster.execution.engines import options_of
from tests.served.comparing import TOKENS
from tests.support import tiny_models
from tests.support.tiny_models import Family
from tests.support.vllm import Vllm, require_vllm


def serving(family: Family, folder: Path) -> Iterator[Vllm]:
    """vLLM with a tiny model of a family, until it is taken up again."""
    require_vllm()
    server = Vllm(tiny_models.build(family, folder / "model", served=True), folder / "home")
    server.start()
    yield server
    server.end()


def asking(vllm: Vllm) -> EndpointEnricher:
    """As the platform builds it, but it does not wait long for a server that is gone."""
    made = engines.enricher("openai", options_of(vllm.settings, "enriched"))
    assert isinstance(made, EndpointEnricher)
    client = made._client
    client.patience = replace(client.patience, attempts=2, first=0.01, rest=0.0)
    return made


def answering(vllm: Vllm) -> TransformersEnricher:
    """The same model in this process."""
    options = Options(str(vllm.model), describe=False, visual_tokens=TOKENS, device="cpu")
    return TransformersEnricher(options)
