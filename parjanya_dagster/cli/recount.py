"""`parjanya recount`: whether the counters of images are right."""

from __future__ import annotations

from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, Json, OneTenant, platform_of
from parjanya_dagster.cli.output import Line, print_json


def recount(
    home: Home = None,
    tenant: OneTenant = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the counters what the count of all rows says.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count all rows, and compare with the counters that are kept. It may take minutes."""
    from parjanya_dagster.truth.recount import miscounted

    platform = platform_of(home)
    if tenant is not None:
        platform.tenant(tenant)
    line = Line()
    line("counting all rows …")
    wrong = miscounted(platform.store, tenant)
    repaired = False
    if repair and wrong:
        line("making the counters anew …")
        repaired = platform.store.rebuild_counts()
    line.clear()
    if as_json:
        listed = [
            {"tenant": kept.tenant, "kept": kept.rows, "counted": counted.rows}
            for kept, counted in wrong
        ]
        print_json({"wrong": listed, "repaired": repaired})
    else:
        for kept, counted in wrong:
            typer.echo(
                f"{kept.tenant}: kept {kept.rows} present, {kept.departed} departed; counted "
                f"{counted.rows} and {counted.departed}"
            )
        typer.echo("The counters were made anew." if repaired else _said(len(wrong), repair))
    if wrong and not repaired:
        raise typer.Exit(1)


def _said(wrong: int, repair: bool) -> str:
    if not wrong:
        return "The counters are right."
    if repair:
        return "They could not be made anew: this store cannot, or another command does it now."
    return "Make them anew: parjanya recount --repair"
