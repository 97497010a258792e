"""`parjanya web`: the desk, where people find images, look and decide."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.errors import SettingsInvalid

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than the minute for which a load balancer
keeps it. Whoever closes first races with the next request, which the balancer answers with 502."""


def web(
    home: Home = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the pages. Default: the first free from 3100.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Others than loopback need a proxy with TLS before."
        ),
    ] = "127.0.0.1",
    only: Annotated[
        str, typer.Option(help="`uploads`: serve the uploads alone, which strangers may reach.")
    ] = "",
    every: Annotated[float, typer.Option(help="Seconds between two measurements.")] = 5.0,
    address: Annotated[
        bool, typer.Option("--address", help="Print the address with the token, and end.")
    ] = False,
) -> None:
    """Serve the desk. The address that it prints has a token in it, and opens it."""
    import uvicorn

    from parjanya_dagster.instance.home import DESK_FILE, DESK_PORT, choose_port
    from parjanya_dagster.web.access import entrance
    from parjanya_dagster.web.app import create_app, open_desk
    from parjanya_dagster.web.uploads import create_app as uploads

    platform = platform_of(home)
    if only == "uploads":
        chosen = port or 8400
        typer.echo(f"Uploads: http://{host}:{chosen}/ (the API is described in /openapi.json)")
        application = uploads(platform)
    elif only:
        raise SettingsInvalid(f"--only {only}: only `uploads` can be served alone.")
    else:
        known = platform.settings.home / DESK_FILE
        if address:
            if not known.exists():
                raise SettingsInvalid("No desk is served over this home: `parjanya web` does.")
            typer.echo(entrance(platform.settings.home, known.read_text()))
            return
        chosen = choose_port(port, default=DESK_PORT)
        url = f"http://{host}:{chosen}"
        desk = open_desk(platform, every)
        application = create_app(desk, [host])
        # Whoever opens the overview first would wait for it, or be told that nothing can be read.
        threading.Thread(target=desk.watch.look, name="first look", daemon=True).start()
        known.write_text(url)
        typer.echo(f"The desk is at {entrance(platform.settings.home, url)}")
    uvicorn.run(
        application,
        host=host,
        port=chosen,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # `web.hops` reads them, from the proxies that the settings name
        timeout_keep_alive=KEEP_ALIVE,
    )
