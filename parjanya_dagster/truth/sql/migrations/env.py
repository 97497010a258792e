"""Alembic's entry: it migrates over the connection that `migrate()` hands it."""

from __future__ import annotations

from alembic import context

from parjanya_dagster.truth.revisions import VERSION_TABLE
from parjanya_dagster.truth.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_as_batch=True,
    version_table=VERSION_TABLE,
)
context.run_migrations()
