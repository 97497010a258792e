"""Counts of what was simulated, printed at the end, and the seed that replays it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parjanya_dagster.truth.sql import SqlStore, open_store
from parjanya_dagster.truth.sql.engine import open_engine
from tests.unit.conftest import clock, platform  # noqa: F401  (fixtures)

SEED = int(os.environ.get("SIMULATION_SEED") or random.SystemRandom().randrange(10**9))
EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES") or 60)
COUNTED: Counter[str] = Counter()
COMPILED: dict[Any, Any] = {}  # statements, compiled once for all stores


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not COUNTED:
        return
    terminalreporter.section("simulation")
    terminalreporter.line(f"SIMULATION_SEED={SEED} replays it.")
    for name, count in sorted(COUNTED.items()):
        terminalreporter.line(f"{count:>9,}  {name}")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Truth with the newest schema, to copy from."""
    path = tmp_path_factory.mktemp("template") / "truth.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[SqlStore]:
    path = tmp_path / "truth.db"
    shutil.copy(template, path)
    store = open_store(f"sqlite:///{path}", batch_size=3, rng=random.Random(1))
    yield store
    store.close()


def in_memory(template: Path, seed: int) -> SqlStore:
    """An empty Truth in memory: the real store without the disk."""
    engine = open_engine("sqlite://").execution_options(compiled_cache=COMPILED)
    source = sqlite3.connect(template)
    with engine.connect() as connection:
        source.backup(connection.connection.driver_connection)  # type: ignore[arg-type]
    source.close()
    return SqlStore(engine, batch_size=3, rng=random.Random(seed))
