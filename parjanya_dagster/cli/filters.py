"""The options by which commands choose images, and the view that they make: as on the desk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.output import print_warning
from parjanya_dagster.errors import QueryInvalid

if TYPE_CHECKING:
    from parjanya_dagster.catalog import Catalog, Query
    from parjanya_dagster.truth.image_reader import Followed

LATE = 10.0  # seconds behind Truth that are worth a word
Values = list[str] | None


def _option(name: str, what: str) -> Any:
    return typer.Option(name, help=f"{what} Repeatable: any of them.")


Tenants = Annotated[Values, _option("--tenant", "Of this tenant.")]
Verdicts = Annotated[Values, _option("--verdict", "accept, review, reject, failed or pending.")]
Rules = Annotated[Values, _option("--rule", "Decided by this rule of a policy.")]
Reasons = Annotated[Values, _option("--reason", "With this reason, as the desk shows it.")]
Categories = Annotated[Values, _option("--category", "Of this category.")]
Failures = Annotated[Values, _option("--failure", "Failed with this class.")]
Batches = Annotated[Values, _option("--batch", "Of this batch.")]
Languages = Annotated[Values, _option("--language", "With text in this language, such as de.")]
Faces = Annotated[Values, _option("--faces", "With so many faces: 0, 1, 2-4 or `5 or more`.")]
Cameras = Annotated[Values, _option("--camera", "Taken with this camera, as the desk shows it.")]
Since = Annotated[str, typer.Option(help="Landed on this day (YYYY-MM-DD) or later.")]
Text = Annotated[str, typer.Option(help="Words in name, recognised text, caption or tags.")]
Sort = Annotated[str, typer.Option(help="`-landed`, `quality`, …: `-` is largest first.")]


@contextmanager
def current_catalog(
    truth: Followed, home: Path, clock: Callable[[], float] = time.time
) -> Iterator[Catalog]:
    """The catalog of a home, brought up to date first."""
    from parjanya_dagster.catalog import Catalog

    with closing(Catalog(home)) as catalog:
        bring_up_to_date(catalog, truth, home, clock)
        yield catalog


def bring_up_to_date(
    catalog: Catalog, truth: Followed, home: Path, clock: Callable[[], float] = time.time
) -> None:
    """Take over what is new. Where the desk does so already, say how far it is."""
    from parjanya_dagster.catalog import Follower

    with closing(Follower(truth, home, clock)) as follower:
        if follower.follow().alone:
            return
    complete = catalog.freshness().complete_at
    if complete is None:
        print_warning("The catalog is being built: some images are not in it yet.")
    elif clock() - complete > LATE:
        print_warning(f"The catalog is as Truth was {clock() - complete:.0f} s ago.")


def view_of(
    catalog: Catalog, chosen: Mapping[str, Values], since: str, text: str, sort: str
) -> Query:
    """The view that options name. Raises QueryInvalid."""
    from parjanya_dagster.catalog import Query
    from parjanya_dagster.catalog.facets import VERDICTS
    from parjanya_dagster.truth.models import is_day

    for verdict in chosen.get("verdict") or ():
        if verdict not in VERDICTS:
            raise QueryInvalid(f"No verdict is {verdict!r}: choose one of {', '.join(VERDICTS)}.")
    if since and not is_day(since):  # days are compared as they are written
        raise QueryInvalid(f"{since!r} is no day: write it as YYYY-MM-DD.")
    pairs = [
        (name, value.replace("-", "–") if name == "faces" else value)  # a range, as it is typed
        for name, values in chosen.items()
        for value in values or ()
    ]
    query = Query.of([*pairs, ("q", text), ("sort", sort)])
    if since:
        query = query.within("day", [day for day in catalog.values("day") if day >= since])
    return query
