"""`parjanya images`: find images by what is known of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.filters import (
    Batches,
    Categories,
    Failures,
    Reasons,
    Rules,
    Since,
    Sort,
    Tenants,
    Text,
    Verdicts,
    current_catalog,
    view_of,
)
from parjanya_dagster.cli.options import Home, Json, platform_of
from parjanya_dagster.cli.output import minute, print_json

if TYPE_CHECKING:
    from parjanya_dagster.catalog import Catalog, Query
    from parjanya_dagster.platform import Platform

PAGE = 1000


def images(
    home: Home = None,
    tenant: Tenants = None,
    verdict: Verdicts = None,
    rule: Rules = None,
    reason: Reasons = None,
    category: Categories = None,
    failure: Failures = None,
    batch: Batches = None,
    since: Since = "",
    text: Text = "",
    sort: Sort = "-landed",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1_000_000_000,
    as_json: Json = False,
    paths: Annotated[
        bool, typer.Option("--paths", help="Print where the originals are, one per line.")
    ] = False,
) -> None:
    """List images. The answer comes from the catalog, which is brought up to date first."""
    platform = platform_of(home)
    chosen = {
        "tenant": tenant, "verdict": verdict, "rule": rule, "reason": reason, "category": category,
        "failure": failure, "batch": batch,
    }  # fmt: skip
    with current_catalog(platform) as catalog:
        query = view_of(catalog, chosen, since, text, sort)
        _print(platform, catalog, query, limit, as_json, paths)


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
