"""`parjanya release …`: fixed sets of images, written as files in open formats."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, OneTenant, login, platform_of
from parjanya_dagster.cli.output import (
    ATTENTION,
    BAD,
    GOOD,
    Line,
    print_json,
    print_note,
    print_title,
    second,
)
from parjanya_dagster.errors import ReleaseInvalid

if TYPE_CHECKING:
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.release.diff import Difference
    from parjanya_dagster.release.items import Item
    from parjanya_dagster.release.writing import Progress
    from parjanya_dagster.truth.models import Tenant
    from parjanya_dagster.truth.releases import Release

app = typer.Typer(
    no_args_is_help=True,
    help="Releases: create, list, show, diff, coverage, verify, resume, withdraw.",
)
MOST_TOLD = 20  # images of a difference that are printed
COLOURS = {"complete": GOOD, "writing": ATTENTION, "withdrawn": BAD}

TheTenant = Annotated[str, typer.Option("--tenant", "-t", help="Whose images.")]
Ref = Annotated[str, typer.Argument(help="NAME@VERSION, or NAME for its last version.")]
As = Annotated[
    str, typer.Option("--as", help="Who asks. Default: the name you are logged in with.")
]


@app.command()
def create(
    tenant: TheTenant,
    name: Annotated[str, typer.Option("--name", help="a-z, 0-9 and '-'. Versions count up.")],
    where: Annotated[
        str,
        typer.Option(
            help="A view, as the address of the page Images has it: 'category=photo&q=dog'. "
            "If it names no verdict, accepted images are released."
        ),
    ] = "",
    split: Annotated[
        str, typer.Option(help="Names and shares, such as train=0.8,val=0.1,test=0.1.")
    ] = "train=1",
    formats: Annotated[
        str, typer.Option("--format", help="Of parquet, webdataset, imagefolder: one or several.")
    ] = "parquet",
    pictures: Annotated[
        str, typer.Option("--bytes", help="original, preview or resized.")
    ] = "original",
    side: Annotated[
        int, typer.Option(help="Of resized pictures: pixels of the longer side at most.")
    ] = 1024,
    keep_exif: Annotated[
        bool,
        typer.Option("--keep-exif", help="Release originals unchanged, EXIF and GPS included."),
    ] = False,
    shard_images: Annotated[int, typer.Option(help="Images of a shard at most.")] = 1000,
    shard_mb: Annotated[
        int, typer.Option("--shard-mb", help="MB of the originals of a shard at most.")
    ] = 128,
    diverse: Annotated[
        int,
        typer.Option(min=0, help="Only so many images: those that differ most. 0: all."),
    ] = 0,
    description: Annotated[str, typer.Option(help="For the dataset card.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="For the dataset card.")] = "",
    privacy: Annotated[str, typer.Option(help="For the dataset card: legal ground, consent.")] = "",
    write: Annotated[
        bool, typer.Option(help="Write the files now. Otherwise Dagster writes them, if it runs.")
    ] = True,
    who: As = "",
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Release the images of a view. Equal images and options give the same release.

    The images are chosen now. You may interrupt the writing: `resume` goes on.
    """
    from parjanya_dagster.execution.engines import chosen_space
    from parjanya_dagster.release.create import begin
    from parjanya_dagster.release.options import (
        MB,
        Options,
        read_formats,
        read_split,
        read_where,
    )

    options = Options(
        where=read_where(where, tenant),
        split=read_split(split),
        formats=read_formats(formats),
        pictures=pictures,
        side=side,
        keep_exif=keep_exif,
        shard_images=shard_images,
        shard_bytes=shard_mb * MB,
        diverse=diverse,
        description=description,
        licence=licence,
        privacy=privacy,
    )
    platform = platform_of(home)
    begun = begin(
        platform.store,
        platform.objects,
        platform.tenant(tenant),
        name,
        options,
        who=who or login(),
        clock=platform.clock,
        space=chosen_space(platform.settings) if diverse else None,
    )
    print_note(f"{begun.release.key}: {begun.release.images} images, {begun.release.release_id}")
    if not begun.new:
        print_note("The last version has the same images and options: that is it.")
    for why, images in begun.left_out.items():
        print_note(f"{images} images are left out: {why}.")
    _finish(platform, begun.release, as_json, write)


@app.command()
def resume(ref: Ref, tenant: TheTenant, as_json: Json = False, home: Home = None) -> None:
    """Go on writing a release. Parts that are complete are kept."""
    from parjanya_dagster.release.create import find

    platform = platform_of(home)
    release = find(platform.store, platform.tenant(tenant).slug, ref)
    _finish(platform, release, as_json, write=True)


@app.command("list")
def list_(tenant: OneTenant = None, as_json: Json = False, home: Home = None) -> None:
    """List releases."""
    platform = platform_of(home)
    store = platform.store
    slugs = [platform.tenant(tenant).slug] if tenant else [t.slug for t in store.tenants()]
    every = [release for slug in slugs for release in store.releases(slug)]
    if as_json:
        print_json([asdict(release) for release in every])
        return
    for release in every:
        typer.echo(f"{second(release.created_at)}  {release.key:<32} {release.images:>8} images  ",
                   nl=False)  # fmt: skip
        typer.secho(release.state, fg=COLOURS[release.state], nl=False)
        typer.echo(f"  {release.withdrawn_why}".rstrip())
    if not every:
        typer.echo("Nothing was released yet.")


@app.command()
def show(ref: Ref, tenant: TheTenant, as_json: Json = False, home: Home = None) -> None:
    """Show one release: what it holds, and where its files are."""
    from parjanya_dagster.release.create import find

    platform = platform_of(home)
    owner = platform.tenant(tenant)
    _show(platform, owner, find(platform.store, owner.slug, ref), as_json)


@app.command()
def diff(
    first: Ref, second: Ref, tenant: TheTenant, as_json: Json = False, home: Home = None
) -> None:
    """Show which images were added, removed or changed between two releases."""
    from parjanya_dagster.release import frozen as lists
    from parjanya_dagster.release.create import find
    from parjanya_dagster.release.diff import difference

    platform = platform_of(home)
    owner = platform.tenant(tenant)

    def items(ref: str) -> list[Item]:
        release = find(platform.store, owner.slug, ref)
        frozen = lists.read(platform.objects, owner.bucket, release.release_id)
        return list(lists.all_items(platform.objects, owner.bucket, frozen))

    found = difference(items(first), items(second))
    if as_json:
        print_json(_told(found))
        return
    print_title(f"{len(found.added)} added, {len(found.removed)} removed, "
                f"{len(found.changed)} changed, {found.same} the same")  # fmt: skip
    lines = [f"+ {item.key}  {item.verdict} {item.split}" for item in found.added]
    lines += [f"- {item.key}  {item.verdict} {item.split}" for item in found.removed]
    lines += [f"~ {one.item.key}  {', '.join(one.fields)}" for one in found.changed]
    for line in lines[:MOST_TOLD]:
        typer.echo(line)
    if len(lines) > MOST_TOLD:
        typer.echo(f"… {len(lines) - MOST_TOLD} more: --json")


@app.command()
def coverage(
    ref: Ref,
    tenant: TheTenant,
    verdict: Annotated[
        list[str] | None,
        typer.Option(help="Ask about images with this verdict. Repeatable. Default: all."),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(min=0, max=2, help="List all images that are farther than this."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Without --within: list the farthest, so many at most.")
    ] = 10,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """How far the nearest released image is from each image of the tenant.

    Far means 1 - cosine of their vectors: 0 is the same. What counts as near depends on the engine
    that made the vectors, so no distance is the default.
    """
    from parjanya_dagster.execution.engines import chosen_space
    from parjanya_dagster.release.coverage import QUANTILES
    from parjanya_dagster.release.coverage import coverage as coverage_of
    from parjanya_dagster.release.create import find

    platform = platform_of(home)
    owner = platform.tenant(tenant)
    release = find(platform.store, owner.slug, ref)
    space = chosen_space(platform.settings)
    if space is None:
        raise ReleaseInvalid("No vectors are made here: PARJANYA_ENGINES__EMBEDDER is none.")
    found = coverage_of(
        platform.store, platform.objects, owner, release, space, tuple(verdict or ())
    )
    shown = limit if within is None else len(found.rows) - found.within(within)
    far = [
        {"image_id": row.image_id, "key": row.key, "verdict": row.effective_verdict,
         "distance": round(float(distance), 4), "nearest": nearest.key}
        for row, nearest, distance, _ in zip(
            found.rows, found.nearest, found.distances, range(shown), strict=False
        )
    ]  # fmt: skip
    quantiles = {f"{share:.0%}": round(found.quantile(share), 4) for share in QUANTILES}
    if as_json:
        print_json({"space": space.id, "images": len(found.rows), "released": found.released,
                    "missing": found.missing, "quantiles": quantiles,
                    "within": None if within is None else found.within(within),
                    "farthest": far})  # fmt: skip
        return
    typer.echo(f"{len(found.rows)} images, {found.released} released ones, {found.missing} without "
               f"a vector ({space.id})")  # fmt: skip
    told = ", ".join(f"{distance:.3f} ({share})" for share, distance in quantiles.items())
    typer.echo(f"The nearest released image is no farther than {told}.")
    if within is not None:
        typer.echo(f"{found.within(within)} of {len(found.rows)} images are within {within:g}.")
    for one in far:
        typer.echo(f"{one['distance']:.3f}  {one['image_id']}  {one['verdict'] or '-':<8} "
                   f"{one['key']}  (nearest: {one['nearest']})")  # fmt: skip


@app.command()
def verify(ref: Ref, tenant: TheTenant, as_json: Json = False, home: Home = None) -> None:
    """Read every file of a release and compare checksums. Exit status 1 if one differs."""
    from parjanya_dagster.release.create import find
    from parjanya_dagster.release.verification import verify as read_back

    platform = platform_of(home)
    owner = platform.tenant(tenant)
    release = find(platform.store, owner.slug, ref)
    if not release.sums:
        raise ReleaseInvalid(f"{release.key} was never complete, so there is nothing to verify.")
    found = read_back(platform.objects, owner.bucket, release)
    if as_json:
        print_json({"release": release.key, "state": release.state, **asdict(found)})
    else:
        for why in found.wrong:
            typer.secho(f"wrong    {why}", fg=BAD)
        typer.echo(f"{release.key}: {found.files} files read, {len(found.wrong)} things wrong.")
        if release.state == "withdrawn":
            typer.secho(f"It is withdrawn: {release.withdrawn_why}", fg=BAD)
    if found.wrong:
        raise typer.Exit(1)


@app.command()
def withdraw(
    what: Annotated[str, typer.Argument(help="An image (its id, key or sha256), or NAME@VERSION.")],
    tenant: TheTenant,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    who: As = "",
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Withdraw an image and every release that holds it, or one release.

    The withdrawal is recorded, and the releases and their places are printed. A withdrawn image is
    in no later release. No file is deleted: the owner of the bucket deletes what must go.
    """
    from parjanya_dagster.release.create import find
    from parjanya_dagster.release.withdrawal import withdraw_image, withdraw_release

    platform = platform_of(home)
    owner, by = platform.tenant(tenant), who or login()
    if "@" in what and "/" not in what and "." not in what:
        release = find(platform.store, owner.slug, what)
        gone = withdraw_release(
            platform.store, release, who=by, reason=reason, clock=platform.clock
        )
        _show(platform, owner, gone, as_json)
        return
    sha256 = _sha256(platform, owner, what)
    found = withdraw_image(
        platform.store,
        platform.objects,
        owner,
        sha256,
        who=by,
        reason=reason,
        clock=platform.clock,
    )
    if as_json:
        print_json(
            {
                "image": asdict(found.image),
                "releases": [{"release": one.key, "place": _place(platform, owner, one)}
                             for one in found.holding],
                "unknown": [{"release": one.key, "why": why} for one, why in found.unknown],
            }
        )  # fmt: skip
    else:
        typer.echo(f"{sha256} is withdrawn since {second(found.image.at)} by {found.image.who}: "
                   f"{found.image.reason}")  # fmt: skip
        for one in found.holding:
            typer.secho(f"{one.key} holds it, and is withdrawn: {_place(platform, owner, one)}",
                        fg=ATTENTION)  # fmt: skip
        for one, why in found.unknown:
            typer.secho(f"{one.key}: not known whether it holds it. {why}", fg=BAD)
        if not found.holding and not found.unknown:
            typer.echo("No release holds it.")
    if found.unknown:
        raise typer.Exit(1)


def _finish(platform: Platform, release: Release, as_json: bool, write: bool) -> None:
    from parjanya_dagster.release.writing import Writer

    if write:
        line = Line(logged=True)
        writer = Writer(
            store=platform.store,
            objects=platform.objects,
            clock=platform.clock,
            progress=lambda progress: line(_how_far(progress)),
        )
        release = writer.write(release)
        line.clear()
    _show(platform, platform.tenant(release.tenant), release, as_json)


def _how_far(progress: Progress) -> str:
    kept = f", {progress.kept} parts were there" if progress.kept else ""
    return f"{progress.parts} of {progress.of} parts, {progress.images} images{kept}"


def _show(platform: Platform, owner: Tenant, release: Release, as_json: bool) -> None:
    place = _place(platform, owner, release)
    if as_json:
        print_json({**asdict(release), "place": place})
        return
    print_title(release.key)
    typer.secho(release.state, fg=COLOURS[release.state])
    typer.echo(f"id       {release.release_id}")
    typer.echo(f"created  {second(release.created_at)} by {release.created_by}")
    if release.completed_at is not None:
        typer.echo(f"written  {second(release.completed_at)}: {release.files} files, "
                   f"{release.size / 1e6:.1f} MB")  # fmt: skip
    typer.echo(f"place    {place}")
    view = "&".join(f"{facet}={value}" for facet, value in release.selection["where"])
    typer.echo(f"view     {view}")
    for name in ("split", "verdict", "decided_by", "reviewer", "policy"):
        counted = ", ".join(f"{value} {n}" for value, n in release.counts.get(name, {}).items())
        if counted:
            typer.echo(f"{name:<12} {counted}")
    if release.withdrawn_at is not None:
        typer.secho(f"withdrawn {second(release.withdrawn_at)} by {release.withdrawn_by}: "
                    f"{release.withdrawn_why}", fg=BAD)  # fmt: skip
        for sha256 in release.held:
            typer.secho(f"  holds the withdrawn image {sha256}", fg=BAD)


def _place(platform: Platform, owner: Tenant, release: Release) -> str:
    from parjanya_dagster.release.writing import root_of

    return platform.objects.place(owner.bucket, root_of(release).rstrip("/"))


def _sha256(platform: Platform, owner: Tenant, what: str) -> str:
    """The hash that an image is known by. Raises UnknownImage, AmbiguousImage, ReleaseInvalid."""
    from parjanya_dagster.doctor.find import find_image

    if len(what) == 64 and not set(what) - set("0123456789abcdef"):
        return what  # perhaps of an image that is gone from the bucket
    row = find_image(platform.store, what, owner.slug)
    if not row.sha256:
        raise ReleaseInvalid(f"{row.key} was never read, so it is in no release.")
    return row.sha256


def _told(found: Difference) -> dict[str, Any]:
    def named(item: Item) -> dict[str, Any]:
        return {"sha256": item.sha256, "key": item.key, "verdict": item.verdict,
                "split": item.split}  # fmt: skip

    return {
        "added": [named(item) for item in found.added],
        "removed": [named(item) for item in found.removed],
        "changed": [{**named(one.item), "fields": dict(one.fields)} for one in found.changed],
        "same": found.same,
    }
