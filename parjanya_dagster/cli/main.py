"""`parjanya …`: assembles the commands, and turns what they raise into sentences."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from parjanya_dagster import logs
from parjanya_dagster.cli.lazy import lazy_group
from parjanya_dagster.cli.options import Home
from parjanya_dagster.cli.output import be_quiet, colours, print_error
from parjanya_dagster.errors import ParjanyaError

FEWER_COLLECTIONS = 10_000
"""Objects between two collections: most of what a command makes is modules, which stay."""
_COMMANDS = (
    "up",
    "ingest",
    "status",
    "explain",
    "report",
    "doctor",
    "replay",
    "recount",
    "regrade",
    "declare",
    "preflight",
    "worker",
    "metrics",
    "web",
    "images",
    "migrate",
    "backup",
    "restore",
    "policy",
    "review",
    "taste",
    "release",
    "tenant",
    "uploads",
    "catalog",
    "embeddings",
    "model",
    "aws",
)
_ELSEWHERE = {"restore": "backup"}  # in a module of another name

app = typer.Typer(
    cls=lazy_group({name: f"{__package__}.{_ELSEWHERE.get(name, name)}" for name in _COMMANDS}),
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


def main() -> None:
    """Run the command line. A ParjanyaError is a sentence and exit status 1, not a traceback."""
    gc.set_threshold(FEWER_COLLECTIONS)
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
