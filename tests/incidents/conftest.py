"""Each file here is an incident of the field, told in its first lines.

It happens to Parjanya: the real store, reconciler, plan and sweep over a model of what is not ours
(`tests.simulation.house`), and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parjanya_dagster.lanes import EMBEDDED
from tests.simulation.house import House
from tests.simulation.memory import in_memory


@pytest.fixture(scope="session")
def template(empty_truth: Path) -> Path:
    return empty_truth


@pytest.fixture
def house(template: Path) -> Iterator[House]:
    store = in_memory(template, seed=1)
    yield House(store, EMBEDDED)
    store.close()
