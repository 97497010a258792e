"""Which tests need more than this process: marked by what they use, never by hand.

`server` needs a server or a browser, `model` loads a model, `instance` starts whole instances of
the platform, `long` explores at random or makes much; `make test-quick` leaves all four out.
`make nightly` looks at more examples of `properties`, and at all combinations of `sampled`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.simulated import EXAMPLES, WIDE

TESTS = Path(__file__).parents[1]
SERVERS = {"postgres", "moto", "radosgw", "browser"}
MODULES = {
    "incidents/test_h_a_model_folder_without_its_processor.py": "model",
    "unit/metrics/test_dashboard_json.py": "server",  # promtool comes with Prometheus
}
FOLDERS = {
    "deploy": "instance",
    "end_to_end": "instance",
    "simulation": "long",
    "unit/demo": "long",  # it makes the whole sample set, twice
    "unit/gpu_ops/iqa": "model",
    "unit/gpu_ops/preflight": "model",
    "unit/gpu_ops/vlm": "model",
}
SAMPLED = {"contract/test_evidence_of_decisions.py": 4}
"""On DynamoDB's emulator one of so many combinations is tried; `make nightly` tries all."""
LONGEST_FIRST = ("end_to_end", "simulation", "deploy", "contract", "unit/gpu_ops", "incidents")
"""What takes long begins first, so that no process works on it alone when the others are done."""
MARKS = {
    "server": "needs a server or a browser",
    "model": "loads a model",
    "instance": "starts a whole instance of the platform",
    "long": "explores at random or makes much, for long",
    "properties": "is asked of random examples",
    "sampled": "is one of many combinations on an emulator, of which few are tried by day",
}


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("properties")
        for folder, mark in FOLDERS.items():
            if _place(item).startswith(f"{folder}/"):
                item.add_marker(mark)
        if mark := MODULES.get(_place(item)):
            item.add_marker(mark)
    _sample(config, items)
    items.sort(key=_turn)


def _sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what only a night has the time for."""
    left_out: list[pytest.Item] = []
    for module, one_of in SAMPLED.items():
        many = [one for one in items if _place(one) == module and "dynamodb" in one.name]
        for item in many:
            item.add_marker("sampled")
        if EXAMPLES < WIDE:
            left_out += [item for n, item in enumerate(many) if n % one_of]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        kept = set(items) - set(left_out)
        items[:] = [item for item in items if item in kept]


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""


def _turn(item: pytest.Item) -> int:
    for turn, folder in enumerate(LONGEST_FIRST):
        if _place(item).startswith(f"{folder}/"):
            return turn
    return len(LONGEST_FIRST)
