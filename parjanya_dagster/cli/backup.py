"""`parjanya backup` and `parjanya restore`: a copy of Truth, and bringing it back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.options import Home, platform_of, settings_of
from parjanya_dagster.cli.output import Line, print_warning, second

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform


def backup(
    target: Annotated[Path, typer.Argument(help="The folder to make. It must not be there yet.")],
    home: Home = None,
    check: Annotated[
        bool, typer.Option(help="Compare what Truth expects with what the buckets hold.")
    ] = True,
) -> None:
    """Copy Truth while it is in use: rows, evidence, history, policies, and the home's settings.

    Objects are not copied. docs/backup.md says how, and what to do with a managed database.
    """
    from parjanya_dagster.backup.write import write_backup

    platform = platform_of(home)
    show = Line()
    contents = write_backup(
        platform, target.absolute(), lambda done, total: show(f"{done} of {total} pages")
    )
    show.end()
    images = sum(int(tenant["images"]) for tenant in contents.tenants.values())
    typer.echo(f"{target}: Truth of {len(contents.tenants)} tenants with {images} images, "
               f"schema {contents.schema}.")  # fmt: skip
    if check:
        _compare(platform)
    platform.store.close()


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `parjanya backup` made.")],
    home: Home = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the Truth that is there aside. It is kept.")
    ] = False,
    check: Annotated[
        bool, typer.Option(help="Compare what Truth expects with what the buckets hold.")
    ] = True,
) -> None:
    """Bring Truth back from a backup. Stop everything that runs over this home first."""
    from parjanya_dagster.backup.restore import restore_backup
    from parjanya_dagster.errors import SchemaOutdated
    from parjanya_dagster.instance.home import alone

    settings = settings_of(home)
    line = Line()
    with alone(settings):
        restored = restore_backup(
            settings, source.absolute(), replace, time.time(), lambda step: line(f"{step} …")
        )
    line.clear()
    made = second(restored.contents.made_at)
    typer.echo(f"Truth is that of {made} UTC, schema {restored.contents.schema}.")
    for kept in restored.aside:
        typer.echo(f"What was there before is kept: {kept}")
    if restored.settings:
        typer.echo(f"The settings of the backup: {restored.settings}")
    if check:
        try:
            _compare(platform_of(home))
        except SchemaOutdated as error:
            print_warning(f"The buckets were not compared: {error}")


def _compare(platform: Platform) -> None:
    """Tell what is missing. It is no failure: the sweep judges, and objects may be on their way."""
    from parjanya_dagster.backup.expected import expected

    show = Line()
    for one in expected(
        platform.store, platform.objects, lambda slug, rows: show(f"{slug}: {rows} images compared")
    ):
        show.end()
        if one.unknown:
            print_warning(f"{one.tenant}: {one.images} images are expected in {one.bucket}, which "
                          f"could not be compared. {one.unknown}")  # fmt: skip
        elif one.missing:
            examples = ", ".join(one.examples)
            print_warning(f"{one.tenant}: {one.missing} objects and previews of {one.images} images"
                          f" are not in {one.bucket}, such as {examples}")  # fmt: skip
        else:
            typer.echo(f"{one.tenant}: all that {one.images} images need is in {one.bucket}.")
    platform.store.close()
