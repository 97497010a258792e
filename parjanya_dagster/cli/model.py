"""`parjanya model serve`: a vLLM server of one model on this machine, for the engine `openai`."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, settings_of
from parjanya_dagster.cli.output import Line, print_note
from parjanya_dagster.cli.stopping import stopped_by

app = typer.Typer(no_args_is_help=True, help="The model that the engine `openai` asks.")
LOOKS = 2.0
"""Seconds between two looks at whether the server still lives."""


@app.command()
def serve(
    home: Home = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be started, and end.")
    ] = False,
) -> None:
    """Serve a model with vLLM on 127.0.0.1, until Ctrl-C. Exit 1 where the server dies.

    Set PARJANYA_MODEL_SERVER__EXECUTABLE and PARJANYA_MODEL_SERVER__MODEL.
    """
    from parjanya_dagster.model_server.command import command
    from parjanya_dagster.model_server.process import ModelServer, log_of

    settings = settings_of(home)
    chosen = command(settings)
    if dry:
        import shlex

        typer.echo(shlex.join(chosen.arguments))
        return
    stopping = stopped_by(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    log = log_of(settings.home)
    line = Line()
    print_note(f"Starting vLLM; it writes to {log}")
    with ModelServer(chosen, log) as server:
        ready = server.wait_until_ready(
            settings.model_server.ready_seconds,
            stopping.is_set,
            lambda waited, said: line(f"loading, {waited:.0f} s: {said[:100]}"),
        )
        line.clear()
        if ready:
            typer.echo(f"{chosen.states}")
            typer.echo(f"is served at {chosen.url}. For the instance that asks it:")
            typer.echo("  PARJANYA_ENGINES__ENRICHER=openai")
            typer.echo(f"  PARJANYA_ENDPOINT__URL={chosen.url}")
            typer.echo(f"  PARJANYA_VLM__MODEL={chosen.model}")
            typer.echo("Ctrl-C ends it.")
        while not stopping.wait(LOOKS):
            server.require_alive()
        print_note("Ending; the server first answers the requests that it has …")
