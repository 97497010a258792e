"""`parjanya doctor` and `parjanya replay`: what is wrong, and doing failures again. Thin."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.errors import BeliefUnreadable, ParjanyaError, UnknownTenant

if TYPE_CHECKING:
    from parjanya_dagster.belief.facts import Facts
    from parjanya_dagster.belief.findings import Finding
    from parjanya_dagster.belief.snapshot import LiveRun
    from parjanya_dagster.platform import Platform

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where the instance lives. Default: PARJANYA_HOME or .parjanya."),
]
TenantOption = Annotated[str | None, typer.Option("--tenant", "-t", help="One tenant only.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

HEALTHY, FINDINGS, CANNOT_TELL = 0, 1, 2


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
        from parjanya_dagster import health

        raise typer.Exit((health.quick if quick else health.maintenance)(home, as_json))
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


def examined(platform: Platform, tenant: str | None) -> tuple[list[Finding], Facts]:
    """Examine an instance from outside: its Dagster is opened by its home."""
    from parjanya_dagster.belief.diagnose import SENSOR_OF, Case, diagnose
    from parjanya_dagster.belief.examine import Examiner
    from parjanya_dagster.belief.obstacles import Nowhere, Workers
    from parjanya_dagster.belief.runs import DagsterBelief
    from parjanya_dagster.belief.snapshot import Belief
    from parjanya_dagster.belief.ticks import sensors_seen
    from parjanya_dagster.belief.workers import OfInstance

    with ExitStack() as open_things:
        belief: Belief
        sensors: Callable[[], Any]
        workers: Workers = Nowhere()
        try:
            instance = open_things.enter_context(open_dagster(platform))
            belief = platform.believing(DagsterBelief(instance, platform.lanes))
            sensors = lambda: sensors_seen(instance, list(SENSOR_OF.values()))  # noqa: E731
            workers = OfInstance(instance)
        except BeliefUnreadable as error:
            belief, sensors = Unreadable(error), Unreadable(error)
        examiner = Examiner(
            platform.store,
            platform.objects,
            belief,
            sensors,
            platform.clock,
            tenant,
            queues=platform.all_queues,
            workers=workers,
        )
        facts = examiner.examine()
    return diagnose(Case(facts, platform.lanes, platform.limits, platform.patience)), facts


def live_runs(platform: Platform) -> tuple[LiveRun, ...] | None:
    """Runs that Dagster believes live; None where they cannot be read."""
    from parjanya_dagster.belief.observe import observe
    from parjanya_dagster.belief.runs import DagsterBelief

    try:
        with open_dagster(platform) as instance:
            belief = platform.believing(DagsterBelief(instance, platform.lanes))
            return observe(platform.store, belief, platform.clock()).runs
    except ParjanyaError:
        return None


def _check_tenant(platform: Platform, tenant: str | None) -> None:
    if tenant is not None and platform.store.tenant(tenant) is None:
        raise UnknownTenant(f"There is no tenant {tenant!r}.")


def open_dagster(platform: Platform) -> Any:
    """The Dagster of a home, as a context manager. Raises BeliefUnreadable."""
    from dagster import DagsterInstance

    from parjanya_dagster.settings import dagster_home

    home = dagster_home(platform.settings)
    if not (home / "dagster.yaml").exists():
        raise BeliefUnreadable(f"There is no Dagster in {home}: start `parjanya up` there.")
    try:
        return DagsterInstance.from_config(str(home))
    except Exception as error:
        raise BeliefUnreadable(
            f"Dagster does not open ({type(error).__name__}: {error})."
        ) from None


class Unreadable:
    """Belief that could not be opened: each look says why."""

    def __init__(self, error: BeliefUnreadable) -> None:
        self._error = error

    def read(self, now: float) -> Any:
        raise self._error

    def bury(self, run_id: str, reason: str) -> bool:
        raise self._error

    def __call__(self) -> Any:
        raise self._error


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
