"""Tiny models in folders, engines over them, and a trap for whatever reaches for a network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_ops.vlm.enricher import TransformersEnricher
from gpu_ops.vlm.options import Options
from tests.support import tiny_models
from tests.unit.gpu_ops.vlm.engines import DEVICE, Engine


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may reach for a hub: every connection and name look-up fails the test."""

    def trapped(*arguments: object, **_: object) -> None:
        raise AssertionError(f"something wanted the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", trapped)
    monkeypatch.setattr(socket.socket, "connect_ex", trapped)
    monkeypatch.setattr(socket, "getaddrinfo", trapped)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny models gain nothing from threads, and lose much to them on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", params=tiny_models.FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model, of each family in turn."""
    return tiny_models.build(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def engine(folder: Path) -> Engine:
    """An engine over the tiny model with the given options, loaded once per choice."""
    built: dict[Options, TransformersEnricher] = {}

    def with_options(**options: object) -> TransformersEnricher:
        settings = {"model": str(folder), "visual_tokens": 64, "device": DEVICE, "answer_mass": 0.0}
        settings["prompt"] = "default@1"  # random weights write as long as they may
        chosen = Options(**{**settings, **options})  # type: ignore[arg-type]
        if chosen not in built:
            built[chosen] = TransformersEnricher(chosen)
        return built[chosen]

    return with_options
