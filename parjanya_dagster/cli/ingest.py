"""`parjanya ingest`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.cli.output import kinds_told, print_note, print_warning, quiet

if TYPE_CHECKING:
    from parjanya_dagster.objects.keys import Aside

SHOWN = 20  # paths of each kind that is set aside


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to copy.")],
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="Whose images they are.")],
    home: Home = None,
) -> None:
    """Copy files or folders into a tenant's bucket. An unknown tenant is registered."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from parjanya_dagster.ingest.copy_files import collect, upload, with_sidecars
    from parjanya_dagster.ingest.known_buckets import KnownBuckets
    from parjanya_dagster.ingest.owners import register_by_hand
    from parjanya_dagster.objects.keys import set_aside

    collected = collect(paths)
    platform = platform_of(home, making=True)
    owner = register_by_hand(platform.store, platform.sweeper.add_tenant, tenant)
    buckets = KnownBuckets(platform.store, platform.objects, platform.clock)
    buckets.refresh()
    buckets.require(owner)  # files in an empty mount point would be hidden by its volume
    files = collected.uploads
    if platform.settings.looks_beside:
        files = with_sidecars(files)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, disable=quiet() or not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"into {tenant}", total=len(files))
        images = sidecars = 0
        for file in upload(platform.objects, owner, files, collected.refused):
            if set_aside(file.key) is None:
                images += 1
            else:
                sidecars += 1
            progress.advance(task)
    typer.echo(f"{images} files are in the bucket of {tenant}.")
    if sidecars:
        print_note(f"Sidecars beside them, which may say when and where: {sidecars}.")
    _print_aside(collected.aside)
    for path, reason in collected.refused.items():
        print_warning(f"Left out: {path}: {reason}")
    if collected.refused:
        print_warning(f"Left out: {len(collected.refused)} in all.")
        raise typer.Exit(1)


def _print_aside(aside: Mapping[str, Aside]) -> None:
    """How many are set aside, by kind, with the first of each kind."""
    if not aside:
        return
    counts = Counter(what.value for what in aside.values())
    print_warning(f"Set aside, since they are no images: {kinds_told(counts)}.")
    for kind in counts:
        paths = [path for path, what in aside.items() if what == kind]
        for path in paths[:SHOWN]:
            print_warning(f"  {path}: {kind}")
        if len(paths) > SHOWN:
            print_warning(f"  … and {len(paths) - SHOWN} more of this kind")
