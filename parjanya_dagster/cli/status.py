"""`parjanya status`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from parjanya_dagster.cli.options import Home, Json, OneTenant, readable_of
from parjanya_dagster.cli.output import kinds_told, print_json

if TYPE_CHECKING:
    from rich.table import Table

NUMBERS = ("images", "pending", "working", "accept", "review", "reject", "failed")


def status(home: Home = None, tenant: OneTenant = None, as_json: Json = False) -> None:
    """Where the images of each tenant are."""
    from parjanya_dagster.doctor.status import status_of

    summary = status_of(readable_of(home), tenant, time.time())
    if as_json:
        print_json(summary)
        return
    from rich.console import Console

    Console().print(status_table(summary["tenants"]))
    for name, loop in summary["loops"].items():
        typer.echo(f"{name}: completed {loop['seconds_ago']:.0f} s ago")
    for slug, aside in summary["loops"].get("arrivals", {}).get("set_aside", {}).items():
        if tenant in (None, slug):
            typer.echo(f"{slug}: set aside {kinds_told(aside['kinds'])}")
    if not summary["loops"]:
        typer.echo("No loop has completed yet: is `parjanya up` running over this home?")


def status_table(tenants: list[dict[str, Any]]) -> Table:
    """The tenants' numbers as a rich table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("tenant", no_wrap=True)
    table.add_column("policy", no_wrap=True)
    for column in NUMBERS:
        table.add_column(column, justify="right")
    for tenant in tenants:
        verdicts = tenant["verdicts"]
        numbers = (tenant["images"], tenant["pending"], tenant["in_flight"], verdicts["accept"],
                   verdicts["review"], verdicts["reject"], tenant["failed"])  # fmt: skip
        table.add_row(tenant["tenant"], tenant["policy"] or "", *map(str, numbers))
    return table
