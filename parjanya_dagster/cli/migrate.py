"""`parjanya migrate`."""

from __future__ import annotations

import typer

from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.cli.output import Line


def migrate(home: Home = None) -> None:
    """Bring the truth store to the schema of this version."""
    line = Line()
    line("bringing the truth store to the schema of this version …")
    platform_of(home, migrating=True).store.close()
    line.clear()
    typer.echo("The truth store has the schema of this version.")
