"""`parjanya taste …`: what a tenant's people would accept, learned from what they decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of
from parjanya_dagster.cli.output import Line, print_json, print_title
from parjanya_dagster.errors import TasteMissing

if TYPE_CHECKING:
    from parjanya_dagster.learning.keeping import Kept
    from parjanya_dagster.platform import Platform

app = typer.Typer(
    help="Tastes: what people would accept, learned from what they decided.", no_args_is_help=True
)

Tenant = Annotated[str, typer.Option("--tenant", "-t", help="Whose.")]


@app.command()
def train(tenant: Tenant, as_json: Json = False, home: Home = None) -> None:
    """Learn from people's decisions. The same decisions give the same taste, and no new version."""
    from parjanya_dagster.learning.decisions import learn

    platform = platform_of(home)
    platform.tenant(tenant)
    line = Line()
    kept = learn(
        platform.store,
        platform.objects,
        platform.tastes,
        tenant,
        heard=lambda images: line(f"{images} images read"),
    )
    line.clear()
    _tell(platform, tenant, kept, as_json)


@app.command("list")
def list_(tenant: Tenant, as_json: Json = False, home: Home = None) -> None:
    """The versions of a tenant's taste."""
    from parjanya_dagster.learning.keeping import get, versions

    platform = platform_of(home)
    bucket = platform.tenant(tenant).bucket
    listed = []
    for version in versions(platform.objects, bucket):
        taste = get(platform.objects, bucket, version)
        listed.append(
            {"version": version, "hash": taste.hash, "learned_from": dict(taste.learned_from),
             "held_out": dict(taste.held_out)}
        )  # fmt: skip
    if as_json:
        print_json(listed)
        return
    for one in listed:
        agreement = one["held_out"]["agreement"]  # type: ignore[index]
        typer.echo(f"{tenant}@{one['version']}  {str(one['hash'])[:19]}…  "
                   f"{one['learned_from']['decisions']} decisions, "  # type: ignore[index]
                   f"{_share(agreement)} of held-out ones agree")  # fmt: skip


@app.command()
def show(
    tenant: Tenant,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Default: the newest.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """How well a taste does on decisions it did not see, and how a policy names it."""
    from parjanya_dagster.learning.keeping import Kept, get

    platform = platform_of(home)
    bucket = platform.tenant(tenant).bucket
    if version is None:
        kept = platform.tastes.newest(tenant)
    else:
        kept = Kept(version=version, taste=get(platform.objects, bucket, version))
    if kept is None:
        raise TasteMissing(f"{tenant} has no taste yet: `parjanya taste train --tenant {tenant}`.")
    _tell(platform, tenant, kept, as_json)


def _tell(platform: Platform, tenant: str, kept: Kept, as_json: bool) -> None:
    from parjanya_dagster.learning.teaching import load_left
    from parjanya_dagster.review.queue import WINDOW

    store, taste = platform.store, kept.taste
    window = store.to_review(tenant, WINDOW)
    left = load_left(store, platform.tastes, kept, window, store.waiting_for_review(tenant))
    needs = {"tenant": tenant, "version": kept.version, "hash": taste.hash}
    if as_json:
        print_json(
            {**needs, "new": kept.new, "learned_from": dict(taste.learned_from),
             "held_out": dict(taste.held_out), "penalty": taste.penalty,
             "trees": len(taste.trees.leaves) if taste.trees else None,
             "calibration": [one.body() for one in taste.calibration],
             "features": list(taste.features), "space": taste.space, "review_load": left}
        )  # fmt: skip
        return
    _print(needs, kept, left)


def _print(needs: Mapping[str, Any], kept: Kept, left: Mapping[str, Any]) -> None:
    taste, held_out = kept.taste, kept.taste.held_out
    learned = taste.learned_from
    print_title(f"{needs['tenant']}@{kept.version}{' is new' if kept.new else ''}")
    vectors = f" and vectors of {taste.space['model']}" if taste.space else ""
    typer.echo(f"Learned from {learned['decisions']} decisions ({learned['accept']} accepts, "
               f"{learned['reject']} rejects; {learned['left_out']} lacked evidence), over "
               f"{len(taste.features)} features{vectors}, by {taste.kind}.")  # fmt: skip
    print_title("On decisions that it did not see")
    typer.echo(f"  {_share(held_out['agreement'])} agree. The more common verdict alone: "
               f"{100 * held_out['always_the_more_common']:.0f} %.")  # fmt: skip
    typer.echo(f"  It is sure of {_share(held_out['sure'])}, and there "
               f"{_share(held_out['agreement_where_sure'])} agree.")  # fmt: skip
    typer.echo("  stated        n   accepted")
    for one in taste.calibration:
        bar = "█" * round(20 * one.accepted) if one.n else ""
        note = "" if one.reached else "  not confirmed: unknown"
        typer.echo(f"  {one.low:.1f}–{one.high:.1f} {one.n:>8}   {bar:<20} "
                   f"{100 * one.accepted:3.0f} %{note}")  # fmt: skip
    print_title("What waits for people")
    typer.echo(f"  {left['waiting']} wait. It is unsure of {left['unsure']} of the "
               f"{left['looked_at']} oldest, so about {left['expected']} would be left "
               f"(95 % interval {left['interval'][0]} to {left['interval'][1]}).")  # fmt: skip
    print_title("What a policy writes, in `needs` and in `rules`")
    typer.echo(f"  taste: {{tenant: {needs['tenant']}, version: {needs['version']}, "
               f"hash: \"{needs['hash']}\"}}")  # fmt: skip
    typer.echo("  - id: not_to_taste\n    verdict: reject\n"
               "    when: {evidence: taste.accept, below: 0.1, review_from: 0.9}\n"
               "    reason: People would accept it with probability {value}.")  # fmt: skip


def _share(part: Mapping[str, Any]) -> str:
    if not part["n"]:
        return "0"
    low, high = part["interval"]
    return f"{part['hits']} of {part['n']} ({100 * low:.0f}–{100 * high:.0f} %)"
