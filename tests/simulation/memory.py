"""An empty Truth in memory: the real store without the disk."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.sql.engine import open_engine

COMPILED: dict[Any, Any] = {}  # statements, compiled once for all stores


def in_memory(template: Path, seed: int, batch_size: int = 3) -> SqlStore:
    """An empty Truth in memory: the real store without the disk."""
    engine = open_engine("sqlite://").execution_options(compiled_cache=COMPILED)
    source = sqlite3.connect(template)
    with engine.connect() as connection:
        source.backup(connection.connection.driver_connection)  # type: ignore[arg-type]
    source.close()
    return SqlStore(engine, batch_size=batch_size, rng=random.Random(seed))
