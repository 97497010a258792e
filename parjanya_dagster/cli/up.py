"""`parjanya up`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlparse

import typer

from parjanya_dagster.cli.options import Home, settings_of
from parjanya_dagster.cli.output import print_warning
from parjanya_dagster.cli.stopping import stopped_by

if TYPE_CHECKING:
    from parjanya_dagster.settings import Settings


def up(
    home: Home = None,
    port: Annotated[
        int | None, typer.Option(help="Port of Dagster's UI. Default: the first free from 3000.")
    ] = None,
    desk_port: Annotated[
        int | None, typer.Option(help="Port of the desk. Default: the first free from 3100.")
    ] = None,
) -> None:
    """Run the platform: Dagster and the desk. Ctrl-C stops everything."""
    from parjanya_dagster.instance.run import run

    stopping = stopped_by(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    run(settings_of(home), port, desk_port, stopping, Announcer())


class Announcer:
    """Says on the terminal what the instance is doing."""

    def queue_unknown(self, reason: str) -> None:
        print_warning(f"Not known: {reason}")

    def starting(self, settings: Settings) -> None:
        typer.echo(f"Starting Parjanya in {settings.home} …")

    def ready(self, settings: Settings, url: str, desk_url: str) -> None:
        from parjanya_dagster.web.access import entrance

        typer.echo(f"The desk is at {entrance(settings.home, desk_url)}")
        typer.echo(f"The UI is at {url}")
        if settings.objects_url.startswith("file:"):
            folder = unquote(urlparse(settings.objects_url).path)
            typer.echo(f"Drop images into {folder}/<tenant>/incoming/")
        typer.echo("Ctrl-C stops everything.")

    def stopping(self) -> None:
        typer.echo("Stopping …")
