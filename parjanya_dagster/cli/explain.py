"""`parjanya explain`."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.filters import bring_up_to_date
from parjanya_dagster.cli.options import (
    Home,
    Json,
    OneTenant,
    images_readable_of,
    places_of,
    platform_of,
)
from parjanya_dagster.cli.output import print_json, print_title, second

if TYPE_CHECKING:
    from parjanya_dagster.catalog import Catalog

MOST_CHARACTERS = 160  # of one value of the evidence


def explain(
    image: Annotated[
        str,
        typer.Argument(
            help="An id or its beginning, a key such as holiday/a.jpg, a file name, a glob, or "
            "the path of a file."
        ),
    ],
    home: Home = None,
    tenant: OneTenant = None,
    as_json: Json = False,
) -> None:
    """Everything about one image: status, why it is not done, evidence, decision, history."""
    from parjanya_dagster.doctor.explain import explanation
    from parjanya_dagster.doctor.find import search_image
    from parjanya_dagster.truth.stages import Status

    truth, places = images_readable_of(home), places_of(home)
    with ExitStack() as stack:

        def catalog() -> Catalog:
            from parjanya_dagster.catalog import Catalog

            opened = stack.enter_context(closing(Catalog(places.home)))
            bring_up_to_date(opened, truth, places.home)
            return opened

        row = search_image(truth, places.objects_url, catalog, image, tenant)
    done = Status(row.pipeline_status).terminal
    runs = None
    if not done:
        from parjanya_dagster.doctor.instance import live_runs

        runs = live_runs(platform_of(home))
    explained = explanation(truth, row, time.time(), runs)
    if as_json:
        print_json(explained)
    else:
        _print(explained)


def _print(image: dict[str, Any]) -> None:
    stored = image["object"]
    print_title(f"{stored['key']}  ({image['tenant']})")
    typer.echo(f"id       {image['image_id']}")
    typer.echo(f"batch    {image['batch']}")
    typer.echo(f"object   {stored['state']}, {stored['size']} bytes, in bucket {stored['bucket']}")
    typer.echo(f"status   {image['status']}: {image['why']}")
    if image["boundary"]:
        typer.echo(f"held at  {image['boundary']}. Next: {image['next_step']}")
    if image["decision"]:
        typer.echo(f"decision {image['decision']['verdict']} under {image['decision']['policy']}")
        for reason in image["decision"]["reasons"]:
            typer.echo(f"  - {reason}")
    if image["reviews"]:
        print_title("\ndecisions of people, the last one that is not undone counts")
        for review in image["reviews"]:
            typer.echo(f"  {second(review['at'])}  {review['who']:<16} {review['action']:<7} "
                       f"{review['note']}")  # fmt: skip
    for copy in image["copies"]:
        if copy["person_verdict"]:
            typer.echo(f"copy     {copy['image_id']} {copy['key']}: a person said "
                       f"{copy['person_verdict']} of the same bytes")  # fmt: skip
    if len(image["decisions"]) > 1:
        print_title("\ndecisions, the last one counts")
        for decision in image["decisions"]:
            reasons = "; ".join(decision["reasons"])
            typer.echo(f"  {second(decision['at'])}  {decision['policy']:<16} "
                       f"{decision['verdict']:<7} {reasons}")  # fmt: skip
    for evidence in image["evidence"]:
        mark = "" if evidence["current"] else "  (superseded)"
        print_title(f"\n{evidence['stage']}  by {evidence['engine']} {evidence['model']}{mark}")
        for name, value in evidence["body"].items():
            typer.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)[:MOST_CHARACTERS]}")
    print_title("\nhistory")
    for event in image["history"]:
        typer.echo(f"  {second(event['at'])}  {event['kind']:<12} → {event['to_status']}  "
                   f"{event['reason']}")  # fmt: skip
