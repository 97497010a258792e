"""One server for all tests of this folder: starting it takes longer than what they ask of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parjanya_dagster.platform import Platform
from tests.support import tiny_models
from tests.support.clock import Clock
from tests.support.stages import House
from tests.support.vllm import Vllm, require_vllm


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    require_vllm()
    model = tiny_models.build("qwen2_5_vl", tmp_path_factory.mktemp("model"), served=True)
    server = Vllm(model, tmp_path_factory.mktemp("served") / "home")
    server.start()
    yield server
    server.end()


@pytest.fixture
def house(platform: Platform, clock: Clock) -> House:
    return House(platform, clock)
