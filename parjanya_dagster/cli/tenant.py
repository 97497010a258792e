"""`parjanya tenant`: who is registered, registering by hand, and whether a bucket is fit. Thin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from parjanya_dagster.aws.bucket_check import Finding, Wanted
    from parjanya_dagster.platform import Platform
    from parjanya_dagster.truth.models import Tenant

app = typer.Typer(no_args_is_help=True, help="Tenants: list, show, add, check.")
Home = Annotated[Path | None, typer.Option("--home", help="Where the instance lives.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Slug = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command("list")
def list_all(home: Home = None, as_json: Json = False) -> None:
    """Every registered tenant."""
    tenants = _open(home).store.tenants()
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in tenants], indent=2))
        return
    for one in tenants:
        typer.echo(f"{one.slug}  {one.bucket}/{one.prefix}  {one.policy}  {one.status}")
    if not tenants:
        typer.echo("No tenant is registered yet.")


@app.command()
def show(tenant: Slug, home: Home = None) -> None:
    """One tenant, as JSON."""
    typer.echo(json.dumps(asdict(_tenant(_open(home), tenant)), indent=2))


@app.command()
def add(
    tenant: Slug,
    bucket: Annotated[str, typer.Option(help="Where its uploads land. Default: its name.")] = "",
    home: Home = None,
) -> None:
    """Register a tenant. One that is registered is left as it is."""
    from parjanya_dagster.errors import InvalidTenant

    place = _open(home)
    owner = next((t.slug for t in place.store.tenants() if t.bucket == (bucket or tenant)), tenant)
    if owner != tenant:
        raise InvalidTenant(f"The bucket {bucket or tenant!r} is that of the tenant {owner!r}.")
    recorded = place.sweeper.add_tenant(tenant, bucket or None)
    if bucket and recorded.bucket != bucket:
        raise InvalidTenant(f"{tenant!r} is registered already, with {recorded.bucket!r}.")
    where = f"{recorded.bucket}/{recorded.prefix}"
    typer.echo(f"{tenant}: uploads land in {where}, decided under {recorded.policy}.")


@app.command()
def check(
    tenant: Slug,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="A web origin that uploads. Repeatable.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Is the tenant's bucket fit? Exit status 1 where something is an error."""
    place = _open(home)
    origins = origin or place.settings.uploads.origins.split()
    found = list(checked(place, _tenant(place, tenant), origins))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            colour = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW}
            typer.secho(f"{one.mark:<8}", nl=False, fg=colour.get(one.mark, typer.colors.RED))
            typer.echo(f"{one.name}: {one.said}")
            if one.next_step:
                typer.echo(f"        next: {one.next_step}")
    if any(one.mark == "error" for one in found):
        raise typer.Exit(1)


def checked(place: Platform, tenant: Tenant, origins: list[str]) -> Iterator[Finding]:
    """Everything that was looked at. Raises CloudUnavailable where our own queue is not known."""
    from parjanya_dagster.aws.bucket_check import Finding, Mark, Wanted, judge, look, reachable
    from parjanya_dagster.aws.queues import SqsQueue
    from parjanya_dagster.errors import ObjectGone, StorageUnavailable
    from parjanya_dagster.uploads.cors import objections

    if not place.settings.objects_url.startswith("s3:"):
        try:
            next(place.objects.listing(tenant.bucket, tenant.prefix), None)
            yield Finding("exists", Mark.OK, f"The folder {tenant.bucket} can be read.")
        except (ObjectGone, StorageUnavailable) as error:
            yield Finding("exists", Mark.ERROR, str(error), "Make the folder, or mount it.")
        yield Finding("s3", Mark.OK, "Buckets are folders here: nothing else applies.")
        return
    first = reachable(tenant.bucket)
    yield first
    if first.mark is Mark.ERROR:
        return
    queue = place.settings.arrivals.queue
    keep = (
        max(place.settings.runs.retry_horizon_hours, place.settings.arrivals.longest_dormancy_hours)
        * 3600
    )
    arn = SqsQueue(queue).arn() if queue else ""
    wanted = Wanted(tenant.bucket, tenant.prefix, arn, keep, origins)
    yield from judge(look(tenant.bucket), wanted, objections)
    yield from _proved(place, wanted)


def _proved(place: Platform, wanted: Wanted) -> Iterator[Finding]:
    """What a browser is told when it asks for real."""
    from parjanya_dagster.aws.bucket_check import Finding, Mark
    from parjanya_dagster.uploads.cors import preflight

    if not wanted.origins:
        return
    key = f"{wanted.prefix}preflight"
    signed = place.objects.presigned_put(wanted.bucket, key, "image/jpeg", 1, 60)
    if signed is None:
        return
    for origin in wanted.origins:
        verdict = preflight(signed.url, origin)
        mark = Mark.OK if verdict.passed else Mark.ERROR
        step = "" if verdict.passed else "Correct the CORS rules; a proxy may answer instead of S3."
        yield Finding(f"preflight from {origin}", mark, verdict.reason, step)


def _tenant(place: Platform, slug: str) -> Tenant:
    from parjanya_dagster.errors import UnknownTenant

    found = place.store.tenant(slug)
    if found is None:
        raise UnknownTenant(f"There is no tenant {slug!r}. `parjanya tenant list` names them.")
    return found


def _open(home: Path | None) -> Platform:
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    return open_platform(load(home))
