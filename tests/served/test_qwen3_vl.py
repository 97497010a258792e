"""The other family at a real vLLM: its tokens are 32 × 32 pixels, and go into several layers.

This tiny model is not inclined to answer with letters, so the kinds are compared under the schema,
which allows nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.served.comparing import json_agrees
from tests.served.servers import asking, serving
from tests.support.vllm import Vllm


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    yield from serving("qwen3_vl", tmp_path_factory.mktemp("qwen3"))


def test_qwen3_vl_writes_the_same_served_and_in_process(qwen3: Vllm) -> None:
    engine = asking(qwen3)
    engine._server.ask()
    json_agrees(engine, qwen3.model)
