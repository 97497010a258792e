"""`parjanya doctor` and `parjanya replay`: what is wrong, and doing failures again. Thin."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.options import CANNOT_TELL, FINDINGS, HEALTHY, Home, Json, TenantOption
from parjanya_dagster.errors import ParjanyaError, UnknownTenant

if TYPE_CHECKING:
    from parjanya_dagster.doctor.findings import Finding
    from parjanya_dagster.platform import Platform


def doctor(
    home: Home = None,
    tenant: TenantOption = None,
    as_json: Json = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only whether Truth answers: a container's health.")
    ] = False,
    maintenance: Annotated[
        bool, typer.Option("--maintenance", help="The checklist of what goes wrong unattended.")
    ] = False,
) -> None:
    """What is wrong, at which boundary, and the next step. Exit 0 healthy, 1 findings, 2 unknown.

    What could not be read is named; findings are printed then too, and the exit status is 2.
    """
    if quick or maintenance:
        from parjanya_dagster.cli import health

        raise typer.Exit((health.quick if quick else health.maintenance)(home, as_json))
    from parjanya_dagster.doctor.instance import examined
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    try:
        platform = open_platform(load(home))
        _check_tenant(platform, tenant)
        found, facts = examined(platform, tenant)
        unread = dict(facts.unread)
    except ParjanyaError as error:
        found, unread = [], {"Truth": str(error)}
    except Exception as error:  # a doctor that falls over has not found health
        found, unread = [], {"Truth": f"{type(error).__name__}: {error}"}
    status = CANNOT_TELL if unread else FINDINGS if found else HEALTHY
    if as_json:
        said = {
            "status": ("healthy", "findings", "cannot_tell")[status],
            "findings": [asdict(one) for one in found],
            "could_not_read": unread,
        }
        typer.echo(json.dumps(said, indent=2))
    else:
        _print_findings(found, unread)
    raise typer.Exit(status)


def _check_tenant(platform: Platform, tenant: str | None) -> None:
    if tenant is not None and platform.store.tenant(tenant) is None:
        raise UnknownTenant(f"There is no tenant {tenant!r}.")


def _print_findings(found: Sequence[Finding], unread: dict[str, str]) -> None:
    for one in found:
        colour = typer.colors.RED if one.severity == "error" else typer.colors.YELLOW
        typer.secho(f"{one.boundary}: {one.code}", fg=colour, bold=True)
        typer.echo(f"  {one.summary}")
        if one.since is not None:
            at = datetime.fromtimestamp(one.since, UTC).strftime("%Y-%m-%d %H:%M:%S")
            typer.echo(f"  since {at} UTC ({time.time() - one.since:.0f} s)")
        if one.evidence:
            typer.echo("  " + ", ".join(f"{name} {value}" for name, value in one.evidence.items()))
        typer.echo(f"  next: {one.next_step}")
    for what, why in unread.items():
        typer.secho(f"Could not read {what}: {why}", fg=typer.colors.RED, err=True)
    if not found and not unread:
        typer.echo("Healthy: nothing is missing, stuck or blind.")
    elif unread:
        typer.echo("Cannot tell whether it is healthy: not everything could be read.")


def replay(
    failed: Annotated[
        bool, typer.Option("--failed", help="Send failed images back to where they failed.")
    ] = False,
    home: Home = None,
    tenant: TenantOption = None,
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
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    if not failed:
        raise typer.BadParameter("Say --failed: nothing else can be replayed by this command.")
    platform = open_platform(load(home))
    _check_tenant(platform, tenant)
    day = since.replace(tzinfo=UTC).timestamp() if since else 0.0
    counts = count(failures(platform.store, tenant, reason, day))
    if not as_json:
        _print_counts(counts)
    total = sum(counts.values())
    done = 0
    if total and not preview and (yes or _agreed(total)):
        done = replay_failures(platform.store, tenant, reason, day, platform.clock)
        if not as_json:
            typer.echo(f"{done} images are due again.")
    if as_json:
        rows = [
            {"tenant": t, "reason": r, "stage": s, "images": n} for (t, r, s), n in counts.items()
        ]
        typer.echo(json.dumps({"failed": rows, "reset": done}, indent=2))


def _agreed(total: int) -> bool:
    return typer.confirm(f"Do these {total} images again?")


def _print_counts(counts: dict[tuple[str, str, str], int]) -> None:
    if not counts:
        typer.echo("No failed image matches.")
    for (tenant, failure_class, stage), images in sorted(counts.items()):
        typer.echo(f"{tenant}: {images} failed as {failure_class}, would go through {stage} again")
