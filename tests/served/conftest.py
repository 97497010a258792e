"""One server of a family for all tests: starting it takes longer than what they ask of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpu_ops.endpoint.enricher import EndpointEnricher
from gpu_ops.vlm.enricher import TransformersEnricher
from parjanya_dagster.platform import Platform
from tests.served.servers import answering, asking, serving
from tests.support.clock import Clock
from tests.support.stages import House
from tests.support.vllm import Vllm


@pytest.fixture(scope="package")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    yield from serving("qwen2_5_vl", tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="package")
def engine(vllm: Vllm) -> EndpointEnricher:
    return asking(vllm)


@pytest.fixture(scope="package")
def in_process(vllm: Vllm) -> TransformersEnricher:
    return answering(vllm)


@pytest.fixture
def house(platform: Platform, clock: Clock) -> House:
    return House(platform, clock)
