"""`parjanya …`: assembles the commands, and turns what they raise into sentences."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from parjanya_dagster import logs
from parjanya_dagster.cli import (
    backup,
    catalog,
    declare,
    doctor,
    embeddings,
    explain,
    images,
    ingest,
    metrics,
    migrate,
    policy,
    preflight,
    recount,
    regrade,
    release,
    replay,
    report,
    review,
    status,
    taste,
    tenant,
    up,
    uploads,
    web,
    worker,
)
from parjanya_dagster.cli.options import Home
from parjanya_dagster.cli.output import be_quiet, colours, print_error
from parjanya_dagster.errors import ParjanyaError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"parjanya {version('parjanya')}")
        raise typer.Exit


@app.callback()
def parjanya(
    home: Home = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no notes: results and errors.")
    ] = False,
) -> None:
    """Parjanya curates tenants' images: validated, enriched, scored, curated."""
    be_quiet(quiet)


for command in (
    up.up,
    ingest.ingest,
    status.status,
    explain.explain,
    report.report,
    doctor.doctor,
    replay.replay,
    recount.recount,
    regrade.regrade,
    declare.declare,
    preflight.preflight,
    worker.worker,
    metrics.metrics,
    web.web,
    images.images,
    migrate.migrate,
    backup.backup,
    backup.restore,
):
    app.command()(command)
for group in (policy, review, taste, release, tenant, uploads, catalog, embeddings):
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2])


def main() -> None:
    """Run the command line. A ParjanyaError is a sentence and exit status 1, not a traceback."""
    logs.configure_for_commands()
    try:
        app(color=colours())
    except ParjanyaError as error:
        print_error(f"parjanya: {error}")
        sys.exit(1)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        cause = f"{error.strerror}: {error.filename}" if error.filename else error
        print_error(f"parjanya: {cause}")
        sys.exit(1)
