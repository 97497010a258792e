"""`parjanya embeddings …`: vectors, by which similar images are found."""

from __future__ import annotations

from dataclasses import asdict

import typer

from parjanya_dagster.cli.options import Home, Json, OneTenant, platform_of
from parjanya_dagster.cli.output import print_json, print_note, print_warning
from parjanya_dagster.errors import TransientError

app = typer.Typer(help="Vectors, by which similar images are found.", no_args_is_help=True)


@app.command()
def make(tenant: OneTenant = None, as_json: Json = False, home: Home = None) -> None:
    """Make the vectors that are missing: of old images, or after another engine was chosen.

    New images get theirs when they are enriched. You may interrupt this and start it again.
    """
    from gpu_ops.endpoint.client import EndpointError
    from parjanya_dagster.embeddings import space_of
    from parjanya_dagster.execution.embedding import Made
    from parjanya_dagster.execution.embedding import make as make_of
    from parjanya_dagster.execution.engines import fit_embedder_of
    from parjanya_dagster.execution.previews import Previews
    from parjanya_dagster.truth.models import parse_batch

    platform = platform_of(home)
    embedder = fit_embedder_of(platform.settings)
    slug = platform.tenant(tenant).slug if tenant else None
    batches, all_made = platform.store.batches(slug), Made()
    previews = Previews(platform.objects, most_bytes=0)  # each is looked at once
    refused: dict[str, str] = {}  # tenant -> why its bucket could not be used
    for at, batch in enumerate(batches, 1):
        owner = parse_batch(batch)[0]
        try:
            if owner not in refused:
                all_made += make_of(
                    platform.store, platform.objects, embedder, batch, previews.pixels
                )
        except (EndpointError, TransientError) as error:  # the others go on
            refused[owner] = str(error)
            print_warning(f"{owner}: {error}")
        if at == len(batches) or at % 20 == 0:
            print_note(f"{at} of {len(batches)} batches, {all_made.made} vectors made")
    space = space_of(embedder)
    if as_json:
        print_json({"space": space.id, **asdict(all_made), "refused": refused})
    else:
        typer.echo(f"{space.id}: {all_made.made} vectors made, {all_made.there} were there, "
               f"{all_made.failed} images got none.")  # fmt: skip
    if refused:
        raise typer.Exit(1)


@app.command()
def show(as_json: Json = False, home: Home = None) -> None:
    """Show which engine makes vectors, and how many images of each tenant have one."""
    from parjanya_dagster.embeddings import embeddings_of, space_of
    from parjanya_dagster.embeddings.blocks import made_from
    from parjanya_dagster.execution.engines import fit_embedder_of
    from parjanya_dagster.truth.store.paging import present_pages

    platform = platform_of(home)
    space = space_of(fit_embedder_of(platform.settings))
    counts = {}
    for tenant in platform.store.tenants():
        have = lack = 0
        for page in present_pages(platform.store, tenant.slug, 10_000):
            rows = [row for row in page if made_from(row)]
            found = embeddings_of(platform.store, platform.objects, space, rows)
            have, lack = have + len(found.image_ids), lack + len(found.missing)
        counts[tenant.slug] = {"vectors": have, "missing": lack}
    if as_json:
        print_json({"space": space.id, **asdict(space), "tenants": counts})
        return
    typer.echo(f"{space.id}: {space.model}, {space.dimension} numbers, {space.revision}")
    for slug, counted in counts.items():
        typer.echo(f"{slug}: {counted['vectors']} vectors, {counted['missing']} are missing")
