"""`parjanya replay`: do failures again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, Json, OneTenant, platform_of
from parjanya_dagster.cli.output import Line, print_json


def replay(
    failed: Annotated[
        bool, typer.Option("--failed", help="Send failed images back to where they failed.")
    ] = False,
    home: Home = None,
    tenant: OneTenant = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="One failure class only, as the preview shows.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="Failed on this day (UTC) or later."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only say what would be done.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Do failed images again, from the stage at which each failed. Shows what, and asks first."""
    from parjanya_dagster.execution.replay import count, failures, replay_failures

    if not failed:
        raise typer.BadParameter("Say --failed: nothing else can be replayed by this command.")
    if as_json and not (preview or yes):
        raise typer.BadParameter("With --json nobody is asked: say --preview or --yes.")
    platform = platform_of(home)
    if tenant is not None:
        platform.tenant(tenant)
    day = since.replace(tzinfo=UTC).timestamp() if since else 0.0
    line = Line()
    line("counting failed images …")
    counts = count(failures(platform.store, tenant, reason, day))
    line.clear()
    if not as_json:
        _print(counts)
    total = sum(counts.values())
    reset = 0
    if total and not preview and (yes or typer.confirm(f"Do these {total} images again?")):
        reset = replay_failures(
            platform.store,
            tenant,
            reason,
            day,
            platform.clock,
            lambda done: line(f"{done} of {total} images are due again"),
        )
        line.clear()
        if not as_json:
            typer.echo(f"{reset} images are due again.")
    if as_json:
        listed = [
            {"tenant": slug, "reason": failure_class, "stage": stage, "images": images}
            for (slug, failure_class, stage), images in counts.items()
        ]
        print_json({"failed": listed, "reset": reset})


def _print(counts: dict[tuple[str, str, str], int]) -> None:
    if not counts:
        typer.echo("No failed image matches.")
    for (tenant, failure_class, stage), images in sorted(counts.items()):
        typer.echo(f"{tenant}: {images} failed as {failure_class}, would go through {stage} again")
