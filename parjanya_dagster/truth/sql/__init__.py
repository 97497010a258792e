"""The store contract on SQLite and PostgreSQL, through SQLAlchemy Core."""

from __future__ import annotations

import random

from parjanya_dagster.truth.revisions import newest_revision
from parjanya_dagster.truth.sql.arrivals import Registration
from parjanya_dagster.truth.sql.counting import Counting
from parjanya_dagster.truth.sql.engine import open_engine
from parjanya_dagster.truth.sql.likeness import Likeness
from parjanya_dagster.truth.sql.publishing import Publishing
from parjanya_dagster.truth.sql.reads import Reads
from parjanya_dagster.truth.sql.records import Records
from parjanya_dagster.truth.sql.regrading import Regrading
from parjanya_dagster.truth.sql.releasing import Releasing
from parjanya_dagster.truth.sql.reviewing import Reviewing
from parjanya_dagster.truth.sql.revisions import check_schema, current_revision
from parjanya_dagster.truth.sql.trouble import Trouble
from parjanya_dagster.truth.sql.uploads import Uploading
from parjanya_dagster.truth.sql.work import Work
from parjanya_dagster.truth.transitions import Rules


class SqlStore(
    Registration,
    Work,
    Reads,
    Likeness,
    Trouble,
    Counting,
    Publishing,
    Regrading,
    Reviewing,
    Releasing,
    Uploading,
    Records,
):
    """Truth in SQLite (embedded) or PostgreSQL (production). See `truth.store.Store`."""

    def close(self) -> None:
        self.engine.dispose()


def open_store(
    url: str,
    *,
    rules: Rules | None = None,
    batch_size: int = 1000,
    rng: random.Random | None = None,
    migrating: bool = False,
) -> SqlStore:
    """Open Truth at `url`.

    It gets the current schema only where `migrating`. Otherwise an older schema raises
    SchemaOutdated, which names the command.
    """
    engine = open_engine(url)
    try:
        if migrating:
            if current_revision(engine) != newest_revision():
                from parjanya_dagster.truth.sql.migrate import migrate  # importing it takes a while

                migrate(engine)
        else:
            check_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlStore(engine, rules=rules, batch_size=batch_size, rng=rng)


__all__ = ["SqlStore", "open_store"]
