"""`parjanya images`: find images by what is known of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parjanya_dagster.cli.filters import (
    Batches,
    Cameras,
    Categories,
    Faces,
    Failures,
    Languages,
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
from parjanya_dagster.cli.options import Home, Json, images_readable_of, places_of, platform_of
from parjanya_dagster.cli.output import minute, print_json, print_note
from parjanya_dagster.errors import QueryInvalid

if TYPE_CHECKING:
    from parjanya_dagster.catalog import Catalog, Listed, Query
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.similar import Answer
    from parjanya_dagster.truth.models import Tenant

PAGE = 1000
EVERY = 1_000_000_000
ALIKE = 24  # images that are listed unless another number is asked for


def images(
    home: Home = None,
    tenant: Tenants = None,
    verdict: Verdicts = None,
    rule: Rules = None,
    reason: Reasons = None,
    category: Categories = None,
    failure: Failures = None,
    batch: Batches = None,
    language: Languages = None,
    faces: Faces = None,
    camera: Cameras = None,
    since: Since = "",
    text: Text = "",
    sort: Sort = "-landed",
    like: Annotated[
        str,
        typer.Option(
            help="Those that look like this image (its id or name) or like the picture in this "
            "file, the most alike first. Goes with --tenant, --limit, --json and --paths."
        ),
    ] = "",
    like_words: Annotated[
        str,
        typer.Option(
            "--like-words",
            help="Those that show what these words say, the best first, where the model of the "
            "vectors knows words. Goes with --tenant, --limit, --json and --paths.",
        ),
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many. With --like and --like-words 24, else all."),
    ] = None,
    as_json: Json = False,
    paths: Annotated[
        bool, typer.Option("--paths", help="Print where the originals are, one per line.")
    ] = False,
) -> None:
    """List images. The answer comes from the catalog, which is brought up to date first."""
    chosen = {
        "tenant": tenant, "verdict": verdict, "rule": rule, "reason": reason, "category": category,
        "failure": failure, "batch": batch, "language": language, "faces": faces, "camera": camera,
    }  # fmt: skip
    if like or like_words:
        others = any(value for name, value in chosen.items() if name != "tenant") or since or text
        if others or (like and like_words):
            raise QueryInvalid(
                "--like or --like-words goes with --tenant, --limit, --json and --paths alone."
            )
        platform, tenants, most = platform_of(home), tenant or [], limit or ALIKE
        answer = (
            _like(platform, like, tenants, most)
            if like
            else platform.similar.like_words(_owner(platform, tenants), like_words, most)
        )
        _print_alike(platform, answer, as_json, paths)
        return
    told = _as_json if as_json else _where(platform_of(home)) if paths else _as_line
    with current_catalog(images_readable_of(home), places_of(home).home) as catalog:
        query = view_of(catalog, chosen, since, text, sort)
        for one in _pages(catalog, query, limit or EVERY):
            sys.stdout.write("".join(map(told, one)))


def _pages(catalog: Catalog, query: Query, limit: int) -> Iterator[Sequence[Listed]]:
    left = limit
    while left > 0:
        found = catalog.page(query, min(PAGE, left))
        yield found.images
        left -= len(found.images)
        if found.next is None:
            return
        query = query.page_after(found.next)


def _as_json(one: Listed) -> str:
    return json.dumps({"image_id": one.image_id, **one.shown}) + "\n"


def _as_line(one: Listed) -> str:
    shown = one.shown
    return (
        f"{one.image_id}  {minute(shown['landed_at'])}  {shown['verdict']:<8} "
        f"{shown['tenant']}  {shown['name']}\n"
    )


def _where(platform: Platform) -> Callable[[Listed], str]:
    """Where the original of an image is; nothing of one that is gone."""

    def place(one: Listed) -> str:
        row = platform.store.get(one.image_id)
        return "" if row is None else platform.objects.place(row.bucket, row.key) + "\n"

    return place


def _owner(platform: Platform, tenants: list[str]) -> Tenant:
    """The one tenant whose images are asked for. Raises QueryInvalid where it is not clear."""
    slugs = tenants or [tenant.slug for tenant in platform.store.tenants()]
    if len(slugs) != 1:
        raise QueryInvalid("Images of one tenant are compared: name it with --tenant.")
    return platform.tenant(slugs[0])


def _like(platform: Platform, like: str, tenants: list[str], limit: int) -> Answer:
    from parjanya_dagster.doctor.find import find_image

    if len(tenants) > 1 or Path(like).is_file():
        owner = _owner(platform, tenants)
        return platform.similar.like_picture(owner, Path(like).read_bytes(), limit)
    row = find_image(platform.store, like, tenants[0] if tenants else None)
    return platform.similar.like_image(row, limit)


def _print_alike(platform: Platform, answer: Answer, as_json: bool, paths: bool) -> None:
    print_note(f"of {answer.compared} images that have a vector of {answer.space.id}")
    for one in answer.images:
        row = one.row
        if as_json:
            print_json({"image_id": row.image_id, "tenant": row.tenant, "key": row.key,
                        "verdict": row.effective_verdict,
                        "similarity": round(one.similarity, 4)}, indent=None)  # fmt: skip
        elif paths:
            sys.stdout.write(platform.objects.place(row.bucket, row.key) + "\n")
        else:
            typer.echo(f"{one.similarity:.3f}  {row.image_id}  {row.effective_verdict or '-':<8} "
                       f"{row.tenant}  {row.key}")  # fmt: skip
