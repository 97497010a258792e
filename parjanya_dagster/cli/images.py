"""`parjanya images`: find images by what is known of them."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of
from parjanya_dagster.cli.output import minute, print_json, print_warning

if TYPE_CHECKING:
    from parjanya_dagster.catalog import Catalog, Query
    from parjanya_dagster.platform import Platform

PAGE = 1000
LATE = 10.0  # seconds behind Truth that are worth a word
Values = list[str] | None


def _option(name: str, what: str) -> Any:
    return typer.Option(name, help=f"{what} Repeatable: any of them.")


def images(
    home: Home = None,
    tenant: Annotated[Values, _option("--tenant", "Of this tenant.")] = None,
    verdict: Annotated[
        Values, _option("--verdict", "accept, review, reject, failed or pending.")
    ] = None,
    rule: Annotated[Values, _option("--rule", "Decided by this rule of a policy.")] = None,
    reason: Annotated[
        Values, _option("--reason", "With this reason, as the desk shows it.")
    ] = None,
    category: Annotated[Values, _option("--category", "Of this category.")] = None,
    failure: Annotated[Values, _option("--failure", "Failed with this class.")] = None,
    batch: Annotated[Values, _option("--batch", "Of this batch.")] = None,
    since: Annotated[str, typer.Option(help="Landed on this day (YYYY-MM-DD) or later.")] = "",
    text: Annotated[
        str, typer.Option(help="Words in name, recognised text, caption or tags.")
    ] = "",
    sort: Annotated[
        str, typer.Option(help="`-landed`, `quality`, …: `-` is largest first.")
    ] = "-landed",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1_000_000_000,
    as_json: Json = False,
    paths: Annotated[
        bool, typer.Option("--paths", help="Print where the originals are, one per line.")
    ] = False,
) -> None:
    """List images. The answer comes from the catalog, which is brought up to date first."""
    from parjanya_dagster.catalog import Catalog, Query

    platform = platform_of(home)
    chosen = {
        "tenant": tenant, "verdict": verdict, "rule": rule, "reason": reason, "category": category,
        "failure": failure, "batch": batch,
    }  # fmt: skip
    pairs = [(name, value) for name, values in chosen.items() for value in values or ()]
    query = Query.of([*pairs, ("q", text), ("sort", sort)])
    with closing(Catalog(platform.settings.home)) as catalog:
        bring_up_to_date(platform, catalog)
        if since:
            days = [day for day in catalog.values("day") if day >= since]
            query = query.within("day", days)
        _print(platform, catalog, query, limit, as_json, paths)


def bring_up_to_date(platform: Platform, catalog: Catalog) -> None:
    """Take over what is new. Where the desk does so already, say how far it is."""
    from parjanya_dagster.catalog import Follower

    with closing(Follower(platform.store, platform.settings.home, platform.clock)) as follower:
        if follower.follow().alone:
            return
    complete = catalog.freshness().complete_at
    if complete is None:
        print_warning("The catalog is being built: some images are not in it yet.")
    elif platform.clock() - complete > LATE:
        print_warning(f"The catalog is as Truth was {platform.clock() - complete:.0f} s ago.")


def _print(
    platform: Platform, catalog: Catalog, query: Query, limit: int, as_json: bool, paths: bool
) -> None:
    left = limit
    while left > 0:
        found = catalog.page(query, min(PAGE, left))
        for one in found.images:
            if as_json:
                print_json({"image_id": one.image_id, **one.shown}, indent=None)
            elif paths:
                row = platform.store.get(one.image_id)
                if row is not None:
                    sys.stdout.write(platform.objects.place(row.bucket, row.key) + "\n")
            else:
                shown = one.shown
                typer.echo(
                    f"{one.image_id}  {minute(shown['landed_at'])}  {shown['verdict']:<8} "
                    f"{shown['tenant']}  {shown['name']}"
                )
        left -= len(found.images)
        if found.next is None:
            return
        query = query.page_after(found.next)
