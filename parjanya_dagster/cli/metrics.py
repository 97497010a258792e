"""`parjanya metrics`: the exporter for Prometheus."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.cli.stopping import stopped_by
from parjanya_dagster.errors import ParjanyaError


def metrics(
    home: Home = None,
    port: Annotated[int, typer.Option(help="Port to answer on, at /metrics.")] = 9464,
    host: Annotated[
        str, typer.Option(help="Address to answer on; 0.0.0.0 in a container.")
    ] = "127.0.0.1",
    every: Annotated[
        float, typer.Option(help="Seconds for which one measurement answers every scrape.")
    ] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Print the metrics and end.")] = False,
) -> None:
    """Measure Truth and Belief for Prometheus. Runs push nothing."""
    try:
        from parjanya_dagster.metrics.exporter import Exporter
    except ModuleNotFoundError as error:
        raise ParjanyaError(f"{error}. Install it: pip install 'parjanya[metrics]'") from None
    from parjanya_dagster.metrics.measure import measure_home

    platform = platform_of(home)
    exporter = Exporter(lambda: measure_home(platform), platform.clock, every)
    if once:
        typer.echo(exporter.text(), nl=False)
        return
    stopping = stopped_by(signal.SIGTERM, signal.SIGINT)
    server, thread = exporter.serve(host, port)
    typer.echo(f"Metrics are at http://{host}:{server.server_port}/metrics")
    stopping.wait()
    server.shutdown()
    thread.join()
