"""`parjanya embeddings …`: vectors, and what is found by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, OneTenant, platform_of
from parjanya_dagster.cli.output import Line, print_json, print_note, print_warning
from parjanya_dagster.errors import LikenessUnknown, TransientError

if TYPE_CHECKING:
    from parjanya_dagster.similar import Alike

TheTenant = Annotated[str, typer.Option("--tenant", "-t", help="Whose images.")]

app = typer.Typer(help="Vectors: similar images, clusters, outliers.", no_args_is_help=True)


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
    line = Line(logged=True)
    refused: dict[str, str] = {}  # tenant -> why its bucket could not be used
    for at, batch in enumerate(batches, 1):
        owner = parse_batch(batch)[0]
        try:
            if owner not in refused:
                all_made += make_of(platform.store, platform.objects, embedder, batch, previews)
        except (EndpointError, TransientError) as error:  # the others go on
            refused[owner] = str(error)
            print_warning(f"{owner}: {error}")
        if at == len(batches) or at % 20 == 0:
            line(f"{at} of {len(batches)} batches, {all_made.made} vectors made")
    line.clear()
    space = space_of(embedder)
    if as_json:
        print_json({"space": space.id, **asdict(all_made), "refused": refused})
    else:
        typer.echo(f"{space.id}: {all_made.made} vectors made, {all_made.there} were there, "
               f"{all_made.failed} images got none.")  # fmt: skip
    if refused:
        raise typer.Exit(1)


@app.command()
def clusters(
    tenant: TheTenant,
    k: Annotated[int, typer.Option("-k", min=1, max=500, help="Clusters at most.")] = 12,
    show: Annotated[int, typer.Option(min=1, help="Representatives of each cluster.")] = 3,
    of: Annotated[
        str, typer.Option(help="List all images of the cluster that this image (id, name) is in.")
    ] = "",
    as_json: Json = False,
    home: Home = None,
) -> None:
    """A tenant's images in clusters of what looks alike, each with its most typical images.

    The same images give the same clusters. They are a way to look at images, and no classes.
    """
    from parjanya_dagster.doctor.find import find_image

    platform = platform_of(home)
    owner, similar = platform.tenant(tenant), platform.similar
    found = similar.clusters(owner, k)
    if of:
        number = found.of(find_image(platform.store, of, tenant).image_id)
        if number is None:
            raise LikenessUnknown(f"{of} has no vector: `parjanya embeddings make` makes it.")
        _print_images(similar.shown(owner, found.members(number)), as_json)
        return
    for number, size in enumerate(found.sizes):
        typical = similar.shown(owner, found.members(number, 0, show))
        if as_json:
            told = [_told(one) for one in typical]
            print_json({"cluster": number, "images": size, "representatives": told}, indent=None)
        else:
            names = ", ".join(one.row.key.rpartition("/")[2] for one in typical)
            typer.echo(f"{number:>3}  {size:>8} images  {names}")
    print_note(f"{len(found.ids)} images that have a vector of {found.space.id}")


@app.command()
def outliers(
    tenant: TheTenant,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Images at most.")] = 20,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """The images of a tenant that are least like any others, and how similar their fifth nearest
    image is."""
    from parjanya_dagster.similar import DEFAULT_CLUSTERS

    platform = platform_of(home)
    owner, similar = platform.tenant(tenant), platform.similar
    found = similar.clusters(owner, DEFAULT_CLUSTERS)
    _print_images(similar.shown(owner, found.outliers)[:limit], as_json)


def _print_images(images: Sequence[Alike], as_json: bool) -> None:
    for one in images:
        if as_json:
            print_json(_told(one), indent=None)
        else:
            typer.echo(f"{one.similarity:.3f}  {one.row.image_id}  "
                       f"{one.row.effective_verdict or '-':<8} {one.row.key}")  # fmt: skip


def _told(one: Alike) -> dict[str, Any]:
    return {
        "image_id": one.row.image_id,
        "tenant": one.row.tenant,
        "key": one.row.key,
        "verdict": one.row.effective_verdict,
        "similarity": round(one.similarity, 4),
    }


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
