"""`parjanya regrade`: preview, carry out, watch, report. Thin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.truth.models import Regrade

HOLD = 120.0  # seconds that a backfill has to make its runs before the reconciler makes them
SENDING = 20.0  # seconds that the reconciler waits for the next partition to be sent back
LOOK_EVERY = 1.0


def regrade(
    to: Annotated[str, typer.Option("--to", help="name@version.")] = "",
    tenant: Annotated[
        list[str] | None, typer.Option("--tenant", "-t", help="Whom. May be repeated.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All tenants.")] = False,
    since: Annotated[str, typer.Option(help="First day of arrival, YYYY-MM-DD.")] = "",
    until: Annotated[str, typer.Option(help="Last day of arrival, YYYY-MM-DD.")] = "",
    only_preview: Annotated[
        bool, typer.Option("--preview", help="Say what would change, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    resume: Annotated[str, typer.Option(help="The id of a regrade to go on with.")] = "",
    backfill: Annotated[
        bool, typer.Option(help="Make a Dagster backfill of it where the UI runs.")
    ] = True,
    wait: Annotated[bool, typer.Option(help="Wait until all is decided.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="Where the instance lives.")] = None,
) -> None:
    """Decide history again under another policy, from recorded evidence.

    Pins the tenants, sends each image back to its replay boundary, and reports what changed.
    Interrupt it when you like: what was asked for is recorded, and goes on by itself.
    """
    from parjanya_dagster.errors import RegradeInvalid
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.regrade.advance import selection
    from parjanya_dagster.regrade.preview import preview
    from parjanya_dagster.settings import load

    place = open_platform(load(home))
    if resume:
        known = place.store.regrade(resume)
        if known is None:
            raise RegradeInvalid(f"There is no regrade {resume!r}.")
        carry_out(place, known, backfill=False, wait=wait, as_json=as_json)
        return
    if not to:
        raise RegradeInvalid("Name the policy to regrade to: --to default@2.")
    policy = place.registry.named(to)
    slugs = [one.slug for one in place.store.tenants()] if everybody else list(tenant or ())
    wanted = selection(place.store, policy, slugs, since, until, place.clock())
    if only_preview or not yes:
        found = preview(place.store, place.registry.get, wanted, place.clock)
        typer.echo(json.dumps(found, indent=2)) if as_json else print_preview(found)
        if only_preview:
            return
        if not sys.stdin.isatty():
            raise RegradeInvalid("Nothing was changed: say --yes to carry it out.")
        typer.confirm("Carry it out?", abort=True)
    carry_out(place, wanted, backfill=backfill, wait=wait, as_json=as_json)


def carry_out(
    place: Platform, wanted: Regrade, *, backfill: bool, wait: bool, as_json: bool
) -> None:
    """Record it, send its rows back, have it realized, watch it, report."""
    from parjanya_dagster.regrade.advance import Advance, batches_of, beat, let_go
    from parjanya_dagster.regrade.report import report

    said = typer.echo if not as_json else lambda text: typer.echo(text, err=True)
    url = _ui(place) if backfill else None
    wanted = place.store.begin_regrade(wanted)
    # Runs that began before all is sent back would be many and small.
    beat(place.store, wanted, place.clock(), place.clock() + SENDING)
    said(f"{wanted.replay_id}: {', '.join(wanted.tenants)} → {wanted.policy}")
    try:
        advance = Advance(place.store, place.registry.get, place.clock, wanted)
        total = len(batches_of(place.store, wanted))
        sent = 0

        def tell(batch: str, rows: int) -> None:
            nonlocal sent
            sent += rows
            beat(place.store, wanted, place.clock(), place.clock() + SENDING)
            if sys.stderr.isatty():
                typer.echo(f"\r{sent} images sent back, last {batch} ", nl=False, err=True)

        advance.run(sent=tell)
        said(f"{sent} images of {total} partitions are sent back to where they must be decided.")
        if url and sent:
            beat(place.store, wanted, place.clock(), place.clock() + HOLD)
            _launch(place, url, wanted, said)
        else:
            let_go(place.store, wanted, place.clock())
        if wait:
            _watch(place, wanted, said)
    except KeyboardInterrupt:
        said(f"\nIt goes on by itself while the platform runs. To watch it again: "
             f"parjanya regrade --resume {wanted.replay_id}")  # fmt: skip
        raise typer.Exit(130) from None
    found = report(place.store, wanted)
    typer.echo(json.dumps(found, indent=2)) if as_json else print_report(found)


def _ui(place: Platform) -> str | None:
    from parjanya_dagster.regrade.launch import ui_address

    return ui_address(place.settings.home)


def _launch(place: Platform, url: str, wanted: Regrade, said: Any) -> None:
    """One backfill over the lane that decides. What needs earlier lanes the reconciler asks for."""
    from parjanya_dagster.errors import BackfillRefused
    from parjanya_dagster.regrade.advance import let_go
    from parjanya_dagster.regrade.launch import MOST_STRETCHES, launch, stretches

    keys = sorted(batch for batch in place.store.regrading() if wanted.covers(batch))
    lane = next(one for one in place.lanes if "curated" in one.stages)
    due = {one.stage for one in place.store.due(place.clock()) if one.batch in set(keys)}
    first = min((lane.stages.index(s) for s in due if s in lane.stages), default=None)
    order = place.store.batches()
    if not keys or first is None or stretches(order, keys) > MOST_STRETCHES:
        let_go(place.store, wanted, place.clock())
        said("The reconciler packs its partitions into runs.")
        return
    try:
        backfill = launch(url, wanted, lane, lane.stages[first:], keys)
        said(f"Backfill {backfill}: {url}/runs/b/{backfill}")
    except BackfillRefused as error:
        said(f"{error} The reconciler carries it out.")
        let_go(place.store, wanted, place.clock())


def _watch(place: Platform, wanted: Regrade, said: Any) -> None:
    from parjanya_dagster.regrade.report import progress

    last = -1
    while True:
        now = progress(place.store, wanted)
        if now["rows_waiting"] != last and (last < 0 or sys.stderr.isatty()):
            said(f"{now['rows_waiting']} images wait to be decided.")
        last = now["rows_waiting"]
        if last == 0:
            return
        place.pause(LOOK_EVERY)


def print_preview(found: dict[str, Any]) -> None:
    typer.secho(f"To {found['policy']}: {', '.join(found['tenants'])}", bold=True)
    typer.echo(f"{found['images']} decided images of {found['partitions']} partitions are decided "
               f"again, {found['under_way']} that are under way follow it, "
               f"{found['left_alone']} stay.")  # fmt: skip
    for stage, rows in found["stages"].items():
        seconds = found["seconds"].get(stage)
        cost = "not measured yet" if seconds is None else f"about {seconds:.1f} s"
        typer.echo(f"  {stage:<10} runs for {rows} images, {cost}")
    models = found["model_seconds"]
    typer.echo("  model time: " + ("not measured yet" if models is None else f"{models:.1f} s"))
    _print_flips(found)
    unknown = found["images"] - found["decided_now"]
    if unknown:
        typer.echo(f"{unknown} images lack evidence: what becomes of them is known afterwards.")


def print_report(found: dict[str, Any]) -> None:
    typer.secho(f"{found['decided_again']} images were decided under {found['policy']}.", bold=True)
    _print_flips(found)
    if found["waiting"]:
        typer.echo(f"{found['waiting']} images wait to be decided.")
    if found["failed"]:
        typer.echo(f"{found['failed']} images of these partitions have failed, as before or since: "
                   "parjanya status names the classes.")  # fmt: skip


def _print_flips(found: dict[str, Any]) -> None:
    typer.echo(f"{found['same_verdict']} keep their verdict.")
    for flip in found["flips"]:
        typer.secho(f"{flip['images']} go from {flip['before']} to {flip['after']}", bold=True)
        for rule, count in list(flip["rules"].items())[:6]:
            typer.echo(f"  {count:>6}  {rule}")
        for example in flip["examples"][:2]:
            typer.echo(f"  e.g. {example['key']} ({example['tenant']}): "
                       f"{' '.join(example['reasons'])}")  # fmt: skip
