"""`parjanya policy tune`: a policy compared with people's decisions, and better thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of
from parjanya_dagster.cli.output import Line, print_json, print_note, print_title

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.policy import Policy


def tune(
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="Whose decisions.")],
    ref: Annotated[
        str, typer.Option("--policy", help="name@version. Default: the tenant's own.")
    ] = "",
    review_cost: Annotated[
        float,
        typer.Option(
            "--review-cost",
            min=0.0,
            max=1.0,
            help="What a person's look costs, in wrong verdicts. 0.1: decide without a person "
            "where that is wrong less than once in ten times.",
        ),
    ] = 0.1,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the proposed version to this file.")
    ] = None,
    curves: Annotated[bool, typer.Option("--curves", help="Print a curve of each rule.")] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """How a policy agrees with people, and thresholds that would agree better.

    Publishes nothing. Exits with 1 where --write was asked for and there is nothing to propose.
    """
    from parjanya_dagster.execution.stages.curate import Curate
    from parjanya_dagster.tuning.tune import learned_until, tune_tenant

    platform = platform_of(home)
    owner = platform.tenant(tenant)
    policy = platform.registry.named(ref or owner.policy)
    line = Line()
    tuned = tune_tenant(
        platform.store,
        Curate(
            platform.store,
            lambda _: policy,
            run_id="tune",
            clock=platform.clock,
            tastes=platform.tastes,
        ),
        tenant,
        policy,
        platform.registry.published(),
        review_cost,
        lambda images: line(f"{images} images read"),
        since=learned_until(platform.tastes, policy),
    )
    line.clear()
    body: dict[str, Any] = {"tenant": tenant, **tuned.body, "preview": None}
    if tuned.proposed is not None:
        body["preview"] = _preview(platform, tenant, tuned.proposed)
    if as_json:
        print_json(body)
    else:
        _print(body, curves)
    if write is not None:
        if tuned.proposed is None:
            raise typer.Exit(1)
        write.write_text(tuned.proposed.text, encoding="utf-8")
        print_note(f"{write} holds {tuned.proposed.ref}. To publish it: parjanya policy publish "
                   f"{write}. Nobody is moved to it by that.")  # fmt: skip


def _preview(platform: Platform, tenant: str, proposed: Policy) -> dict[str, Any]:
    from parjanya_dagster.regrade.advance import selection
    from parjanya_dagster.regrade.preview import preview

    def published(ref: str) -> Policy:
        return proposed if ref == proposed.ref else platform.registry.get(ref)

    asked = selection(platform.store, proposed, [tenant], "", "", platform.clock())
    return preview(platform.store, published, asked, platform.clock, tastes=platform.tastes)


def _print(body: dict[str, Any], curves: bool) -> None:
    from parjanya_dagster.cli.regrade import print_preview

    decisions = body["decisions"]
    print_title(f"{body['policy']} beside {decisions['n']} decisions of people of "
                f"{body['tenant']}")  # fmt: skip
    said = decisions["policy_said"]
    typer.echo(f"They accepted {decisions['accept']} and rejected {decisions['reject']}. Of these "
               f"images the policy accepts {said['accept']}, rejects {said['reject']}, and asks a "
               f"person for {said['review']}.")  # fmt: skip
    for why, count in decisions["left_out"].items():
        typer.echo(f"{count} more are left out: {why}.")
    _print_figures("now", body["now"])
    if body["held_out"]:
        _print_figures("other thresholds, on decisions they were not learned from",
                       body["held_out"])  # fmt: skip
        saved = body["saved"]
        low, high = saved["interval"]
        typer.echo(f"  They cost {saved['mean']:.4f} wrong verdicts an image less "
                   f"(95 % interval {low:.4f} to {high:.4f}); a review costs "
                   f"{body['review_cost']:g}.")  # fmt: skip
    print_title("Rule by rule: how many of the images that it spoke on people rejected")
    typer.echo(f"  {'rule':<22} {'it rejects':<24} {'it asks':<24} {'unknown':>7}")
    for rule in body["rules"]:
        typer.echo(f"  {rule['rule']:<22} {_share(rule['rejects']):<24} "
                   f"{_share(rule['reviews']):<24} {rule['unknown']['n']:>7}")  # fmt: skip
        if curves:
            _print_curve(rule)
    if body["proposed"] is None:
        print_title("Nothing is proposed")
        typer.echo(body["why_not"])
        return
    print_title(f"Proposed: {body['proposed']}")
    for rule in body["rules"]:
        if rule.get("learned") not in (None, rule.get("now")):
            typer.echo(f"  {rule['rule']}: {_cut(rule, rule['now'])} → "
                       f"{_cut(rule, rule['learned'])}")  # fmt: skip
    print_preview(body["preview"])
    typer.echo("People decide mostly on what a policy sends to them. These figures hold for such "
               "images, and for others as far as they are like them.")  # fmt: skip


def _print_figures(name: str, figures: Mapping[str, Any]) -> None:
    agreement, review = figures["agreement"], figures["review"]
    typer.echo(f"  {name}: {_share(agreement)} of what is decided without a person agrees; "
               f"{_share(review)} goes to people.")  # fmt: skip


def _print_curve(rule: Mapping[str, Any]) -> None:
    for point in rule.get("curve", ()):
        side = "≥" if rule["operator"] in ("above", "at_least") else "≤"
        bar = "█" * round(20 * (point["share"] or 0.0))
        typer.echo(f"      {side} {point['value']:<10.4g} {bar:<20} {_share(point)}")


def _cut(rule: Mapping[str, Any], cut: Mapping[str, float | None]) -> str:
    band = "" if cut["review_from"] is None else f", review from {cut['review_from']:g}"
    return f"{rule['compares']} {rule['operator']} {cut['threshold']:g}{band}"


def _share(part: Mapping[str, Any]) -> str:
    if not part["n"]:
        return "0"
    low, high = part["interval"]
    return f"{part['hits']} of {part['n']} ({100 * low:.0f}–{100 * high:.0f} %)"
