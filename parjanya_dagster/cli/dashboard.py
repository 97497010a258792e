"""`parjanya dashboard`: the four layers on one screen."""

from __future__ import annotations

from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of

LOOPBACK = ["127.0.0.1", "localhost"]


def dashboard(
    home: Home = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the page. Default: the first free from 3100.")
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between two measurements.")] = 5.0,
    host: Annotated[
        str,
        typer.Option(help="Address to answer on. The page has no login: mind who can reach it."),
    ] = "127.0.0.1",
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", help="Another host name by which browsers may ask. Repeatable."),
    ] = None,
) -> None:
    """Serve a page that shows Truth, Belief, Intent and Execution with their numbers."""
    import uvicorn

    from parjanya_dagster.instance.home import choose_port
    from parjanya_dagster.metrics.measure import measure_home
    from parjanya_dagster.web.overview.app import Watch, application

    platform = platform_of(home)
    chosen = choose_port(port, default=3100)
    watch = Watch(lambda: measure_home(platform), platform.clock, every)
    typer.echo(f"The dashboard is at http://{host}:{chosen}")
    page = application(watch, [*LOOPBACK, *(allow or ())])
    uvicorn.run(page, host=host, port=chosen, log_level="warning")
