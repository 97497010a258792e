"""An empty Truth in memory: the real store without the disk."""

from __future__ import annotations

import random
import sqlite3
import weakref
from pathlib import Path

from sqlalchemy import Engine

from parjanya_dagster.truth.sql import SqlStore
from parjanya_dagster.truth.sql.engine import open_engine

_FREE: list[Engine] = []  # of stores that are gone; an engine keeps the statements it compiled


def in_memory(template: Path, seed: int, batch_size: int = 3) -> SqlStore:
    """An empty Truth in memory: the real store without the disk."""
    engine = _FREE.pop() if _FREE else open_engine("sqlite://")
    source = sqlite3.connect(template)
    with engine.connect() as connection:
        source.backup(connection.connection.driver_connection)  # type: ignore[arg-type]
    source.close()
    store = SqlStore(engine, batch_size=batch_size, rng=random.Random(seed))
    weakref.finalize(store, _FREE.append, engine)
    return store
