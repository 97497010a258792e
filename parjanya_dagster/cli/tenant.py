"""`parjanya tenant …`: who is registered, registering by hand, and whether a bucket is fit."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, Json, TenantName, platform_of, readable_of
from parjanya_dagster.cli.output import ATTENTION, BAD, GOOD, print_json, print_title, second

app = typer.Typer(no_args_is_help=True, help="Tenants: list, show, add, check, adopt, departed.")
COLOURS = {"ok": GOOD, "warning": ATTENTION, "error": BAD, "unknown": ATTENTION}


@app.command("list")
def list_all(home: Home = None, as_json: Json = False) -> None:
    """Every registered tenant."""
    tenants = readable_of(home).tenants()
    if as_json:
        print_json([asdict(tenant) for tenant in tenants])
        return
    for tenant in tenants:
        where = f"{tenant.bucket}/{tenant.prefix}"
        typer.echo(f"{tenant.slug}  {where}  {tenant.policy}  {tenant.status}")
    if not tenants:
        typer.echo("No tenant is registered yet.")


@app.command()
def show(tenant: TenantName, home: Home = None, as_json: Json = False) -> None:
    """One tenant: where its uploads land, its policy, and its share of the work."""
    known = platform_of(home).tenant(tenant)
    if as_json:
        print_json(asdict(known))
        return
    print_title(known.slug)
    typer.echo(f"status   {known.status}, since {second(known.created_at)}")
    typer.echo(f"uploads  {known.bucket}/{known.prefix}")
    typer.echo(f"policy   {known.policy}")
    typer.echo(f"weight   {known.weight:g}")


@app.command()
def add(
    tenant: TenantName,
    bucket: Annotated[str, typer.Option(help="Where its uploads land. Default: its name.")] = "",
    home: Home = None,
) -> None:
    """Register a tenant. One that is registered is left as it is."""
    from parjanya_dagster.ingest.owners import register_by_hand

    platform = platform_of(home, making=True)
    registered = register_by_hand(platform.store, platform.sweeper.add_tenant, tenant, bucket)
    where = f"{registered.bucket}/{registered.prefix}"
    typer.echo(f"{tenant}: uploads land in {where}, decided under {registered.policy}.")


@app.command()
def adopt(tenant: TenantName, home: Home = None) -> None:
    """Say that what lies in the tenant's bucket now is its bucket. The next sweep believes it.

    Images that are not in it count as missing. If they are many, their departure is held.
    """
    from parjanya_dagster.ingest.known_buckets import KnownBuckets

    platform = platform_of(home)
    buckets = KnownBuckets(platform.store, platform.objects, platform.clock)
    bucket = buckets.adopt(platform.tenant(tenant))
    typer.echo(f"The bucket {bucket.bucket} of {tenant} is {bucket.identity} from now on.")


@app.command()
def departed(tenant: TenantName, home: Home = None) -> None:
    """Say that images that are missing all at once were really deleted."""
    platform = platform_of(home)
    hold = platform.store.departure_holds().get(platform.tenant(tenant).slug)
    if hold is None:
        typer.echo(f"No departure of {tenant} is held.")
        return
    platform.store.hold_departures(replace(hold, confirmed_at=platform.clock()))
    typer.echo(f"The next sweep records {hold.missing} images of {tenant} as deleted.")


@app.command()
def check(
    tenant: TenantName,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="A web origin that uploads. Repeatable.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Is the tenant's bucket fit? Exit status 1 where something is an error."""
    from parjanya_dagster.doctor.tenant_bucket import findings_of_bucket

    platform = platform_of(home)
    origins = origin or platform.settings.uploads.origins.split()
    findings = list(findings_of_bucket(platform, platform.tenant(tenant), origins))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.secho(f"{finding.mark:<8}", nl=False, fg=COLOURS[finding.mark])
            typer.echo(f"{finding.name}: {finding.said}")
            if finding.next_step:
                typer.echo(f"        next: {finding.next_step}")
    if any(finding.mark == "error" for finding in findings):
        raise typer.Exit(1)
