"""The other family at a real vLLM: its tokens are 32 × 32 pixels, and go into several layers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpu_ops.preflight import preflight
from parjanya_dagster.execution.engines import options_of
from tests.served.comparing import json_agrees, kinds_agree
from tests.served.conftest import answering, asking, serving
from tests.support.vllm import Vllm


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    yield from serving("qwen3_vl", tmp_path_factory.mktemp("qwen3"))


def test_qwen3_vl_says_the_same_served_and_in_process(qwen3: Vllm) -> None:
    report = preflight("enricher", "openai", options_of(qwen3.settings, "enriched"))
    assert report.ok, report
    engine = asking(qwen3)
    kinds_agree(engine, answering(qwen3))
    json_agrees(engine, qwen3.model)
