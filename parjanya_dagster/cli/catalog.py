"""`parjanya catalog …`: the index behind facets, search and sorting."""

from __future__ import annotations

from contextlib import closing

import typer

from parjanya_dagster.cli.options import Home, platform_of

app = typer.Typer(
    help="The index behind search and facets. It may be deleted.", no_args_is_help=True
)


@app.command()
def rebuild(home: Home = None) -> None:
    """Build the catalog anew from Truth. Who reads it meanwhile sees a part of it."""
    from parjanya_dagster.catalog import Follower

    platform = platform_of(home)
    with closing(Follower(platform.store, platform.settings.home, platform.clock)) as follower:
        done = follower.rebuild()
    typer.echo(f"{done.images} images of {done.batches} batches are in the catalog.")
