"""`parjanya regrade`: decide history again under another policy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of
from parjanya_dagster.cli.output import Line, print_json, print_title, quiet
from parjanya_dagster.errors import RegradeInvalid

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.truth.models import Regrade

INTERRUPTED = 130  # exit status of a program that Ctrl-C ended
MOST_RULES, MOST_EXAMPLES = 6, 2  # printed per change of verdict


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
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Decide history again under another policy, from recorded evidence.

    Pins the tenants, sends each image back to its replay boundary, and reports what changed.
    Interrupt it when you like: what was asked for is recorded, and goes on by itself.
    """
    from parjanya_dagster.regrade.advance import selection
    from parjanya_dagster.regrade.carry_out import begin, resumed
    from parjanya_dagster.regrade.preview import preview

    platform = platform_of(home)
    store = platform.store
    if resume:
        _carry_out(platform, resumed(platform, resume), False, wait, as_json)
        return
    if not to:
        raise RegradeInvalid("Name the policy to regrade to: --to default@3.")
    policy = platform.registry.named(to)
    slugs = [known.slug for known in store.tenants()] if everybody else list(tenant or ())
    if everybody and not slugs:
        raise RegradeInvalid("No tenant is registered yet, so there is nothing to regrade.")
    if not slugs:
        raise RegradeInvalid("Name the tenants to regrade: --tenant acme, or --all.")
    asked = selection(store, policy, slugs, since, until, platform.clock())
    if as_json and not (only_preview or yes):
        raise RegradeInvalid("With --json nobody is asked: say --preview or --yes.")
    if only_preview or not yes:
        foreseen = preview(
            store, platform.registry.get, asked, platform.clock, tastes=platform.tastes
        )
        if as_json:
            print_json(foreseen)
        else:
            print_preview(foreseen)
        if only_preview:
            return
        if not sys.stdin.isatty():
            raise RegradeInvalid("Nothing was changed: say --yes to carry it out.")
        typer.confirm("Carry it out?", abort=True)
    _carry_out(platform, begin(platform, asked), backfill, wait, as_json)


def _carry_out(
    platform: Platform, begun: Regrade, backfill: bool, wait: bool, as_json: bool
) -> None:
    from parjanya_dagster.regrade.carry_out import CarryOut
    from parjanya_dagster.regrade.report import report

    progress = Progress(to_stderr=as_json)
    try:
        CarryOut(
            where=platform, regrade=begun, reporter=progress, backfill=backfill, wait=wait
        ).run()
    except KeyboardInterrupt:
        progress.say(f"\nIt goes on by itself while the platform runs. To watch it again: "
                     f"parjanya regrade --resume {begun.replay_id}")  # fmt: skip
        raise typer.Exit(INTERRUPTED) from None
    changed = report(platform.store, begun)
    if as_json:
        print_json(changed)
    else:
        print_report(changed)


class Progress:
    """Says how far a regrade is. On a terminal, counts that change are shown as they change."""

    def __init__(self, to_stderr: bool) -> None:
        self._to_stderr = to_stderr
        self._waiting = -1
        self._line = Line()

    def say(self, text: str) -> None:
        self._line.clear()
        if not quiet():
            typer.echo(text, err=self._to_stderr)

    def begun(self, regrade: Regrade) -> None:
        self.say(f"{regrade.replay_id}: {', '.join(regrade.tenants)} → {regrade.policy}")

    def sent_back(self, batch: str, total: int) -> None:
        self._line(f"{total} images sent back, last {batch}")

    def all_sent_back(self, images: int, partitions: int) -> None:
        self.say(f"{images} images of {partitions} partitions are sent back to where they must be "
                 "decided.")  # fmt: skip

    def launched(self, backfill: str, ui: str) -> None:
        self.say(f"Backfill {backfill}: {ui}/runs/b/{backfill}")

    def left_to_reconciler(self, reason: str) -> None:
        if reason:
            self.say(reason)

    def waiting(self, images: int) -> None:
        first = self._waiting < 0
        if images != self._waiting and (first or sys.stderr.isatty()):
            self.say(f"{images} images wait to be decided.")
        self._waiting = images


def print_preview(foreseen: dict[str, Any]) -> None:
    print_title(f"To {foreseen['policy']}: {', '.join(foreseen['tenants'])}")
    typer.echo(f"{foreseen['images']} decided images of {foreseen['partitions']} partitions are "
               f"decided again, {foreseen['under_way']} that are under way follow it, "
               f"{foreseen['left_alone']} stay.")  # fmt: skip
    for stage, rows in foreseen["stages"].items():
        seconds = foreseen["seconds"].get(stage)
        cost = "not measured yet" if seconds is None else f"about {seconds:.1f} s"
        typer.echo(f"  {stage:<10} runs for {rows} images, {cost}")
    people = foreseen["people"]
    if people["verdicts"]:
        typer.echo(f"  people decided {people['verdicts']} of them: {people['stand']} of their "
                   f"verdicts stand, {people['asked_again']} lapse and people are asked "
                   "again.")  # fmt: skip
    models = foreseen["model_seconds"]
    typer.echo("  model time: " + ("not measured yet" if models is None else f"{models:.1f} s"))
    _print_flips(foreseen)
    unknown = foreseen["images"] - foreseen["decided_now"]
    if unknown:
        typer.echo(f"{unknown} images lack evidence: what becomes of them is known afterwards.")


def print_report(changed: dict[str, Any]) -> None:
    print_title(f"{changed['decided_again']} images were decided under {changed['policy']}.")
    _print_flips(changed)
    if changed["waiting"]:
        typer.echo(f"{changed['waiting']} images wait to be decided.")
    if changed["failed"]:
        typer.echo(f"{changed['failed']} images of these partitions have failed, as before or "
                   "since: parjanya status names the classes.")  # fmt: skip


def _print_flips(regraded: dict[str, Any]) -> None:
    typer.echo(f"{regraded['same_verdict']} keep their verdict.")
    for flip in regraded["flips"]:
        print_title(f"{flip['images']} go from {flip['before']} to {flip['after']}")
        for rule, count in list(flip["rules"].items())[:MOST_RULES]:
            typer.echo(f"  {count:>6}  {rule}")
        for example in flip["examples"][:MOST_EXAMPLES]:
            typer.echo(f"  e.g. {example['key']} ({example['tenant']}): "
                       f"{' '.join(example['reasons'])}")  # fmt: skip
