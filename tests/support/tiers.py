"""Which tests need more than this process: marked by what they use, never by hand.

`server` needs a server or a browser, `model` loads a model, `instance` starts whole instances of
the platform, `long` explores at random. `make test-quick` leaves all four out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SERVERS = {"postgres", "moto", "radosgw", "browser"}
FOLDERS = {
    "end_to_end": "instance",
    "simulation": "long",
    "unit/gpu_ops": "model",
}


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "server: needs a server or a browser",
        "model: loads a model",
        "instance: starts a whole instance of the platform",
        "long: explores at random, for long",
    ):
        config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")
        place = item.path.relative_to(TESTS).as_posix()
        for folder, mark in FOLDERS.items():
            if place.startswith(f"{folder}/"):
                item.add_marker(mark)
