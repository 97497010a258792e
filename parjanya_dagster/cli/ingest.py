"""`parjanya ingest`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.cli.output import print_warning


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to copy.")],
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="Whose images they are.")],
    home: Home = None,
) -> None:
    """Copy files or folders into a tenant's bucket. An unknown tenant is registered."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from parjanya_dagster.ingest.copy_files import collect, upload
    from parjanya_dagster.ingest.known_buckets import KnownBuckets
    from parjanya_dagster.ingest.owners import register_by_hand

    collected = collect(paths)
    platform = platform_of(home, making=True)
    owner = register_by_hand(platform.store, platform.sweeper.add_tenant, tenant)
    buckets = KnownBuckets(platform.store, platform.objects, platform.clock)
    buckets.refresh()
    buckets.require(owner)  # files in an empty mount point would be hidden by its volume
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"into {tenant}", total=len(collected.uploads))
        for _ in upload(platform.objects, owner, collected.uploads):
            progress.advance(task)
    typer.echo(f"{len(collected.uploads)} files are in the bucket of {tenant}.")
    for path, reason in collected.refused.items():
        print_warning(f"Left out: {path}: {reason}")
    if collected.refused:
        raise typer.Exit(1)
