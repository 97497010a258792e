"""`parjanya policy …`: versions, their differences, and who is pinned to which. Thin."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Policies: list, show, check, publish, compare, pin.", no_args_is_help=True)

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where the instance lives. Default: PARJANYA_HOME or .parjanya."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ref = Annotated[str, typer.Argument(help="name@version, or a name for its newest version.")]
File = Annotated[Path, typer.Argument(help="A YAML file.")]


def _open(home: Path | None) -> Any:
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    return open_platform(load(home))


@app.command("list")
def list_policies(home: Home = None, as_json: Json = False) -> None:
    """Every published version, and the tenants that are pinned to it."""
    place = _open(home)
    pinned: dict[str, list[str]] = defaultdict(list)
    for tenant in place.store.tenants():
        pinned[tenant.policy].append(tenant.slug)
    found = [
        {"policy": one.ref, "hash": one.hash, "published_at": one.published_at,
         "tenants": sorted(pinned[one.ref])}
        for one in place.store.policies()
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for line in found:
        day = datetime.fromtimestamp(line["published_at"], UTC).strftime("%Y-%m-%d")
        who = ", ".join(line["tenants"]) or "nobody"
        typer.echo(f"{line['policy']:<24} {line['hash'][:19]}…  {day}  pinned: {who}")


@app.command()
def show(ref: Ref, home: Home = None, as_json: Json = False) -> None:
    """A published version, as its author wrote it."""
    policy = _open(home).registry.named(ref)
    if as_json:
        body = {"policy": policy.ref, "hash": policy.hash, "content": policy.content()}
        typer.echo(json.dumps(body, indent=2))
        return
    typer.echo(f"# {policy.ref}  {policy.hash}")
    typer.echo(policy.text.rstrip())


@app.command()
def check(file: File, home: Home = None) -> None:
    """Say what is wrong with a file, or that it is fine and how it differs from what is there."""
    from parjanya_dagster.truth.policy_registry import read_file

    policy = read_file(file)
    published = _open(home).registry.published().get(policy.ref)
    if published is None:
        said = "not published yet."
    elif published.hash == policy.hash:
        said = "published, with this content."
    else:
        said = (f"published with OTHER content, so this file would be refused: make it "
                f"version {policy.version + 1}.")  # fmt: skip
    typer.echo(f"{policy.ref} is valid ({policy.hash[:19]}…); it is {said}")
    if published is not None and published.hash != policy.hash:
        raise typer.Exit(1)


@app.command()
def publish(file: File, home: Home = None) -> None:
    """Publish a file as a new version. A published version never changes its content."""
    from parjanya_dagster.truth.policy_registry import read_file

    policy = _open(home).registry.publish(read_file(file))
    typer.echo(f"{policy.ref} is published ({policy.hash[:19]}…). Nobody is moved to it: see "
               f"`parjanya regrade --to {policy.ref} --preview`.")  # fmt: skip


@app.command()
def pin(
    ref: Ref,
    tenant: Annotated[list[str], typer.Option("--tenant", "-t", help="Whom. May be repeated.")],
    home: Home = None,
) -> None:
    """Pin tenants: what arrives from now on is decided under it. Decisions made stay as they are.

    `parjanya regrade` pins too, and decides again what was decided before.
    """
    place = _open(home)
    policy = place.registry.named(ref)
    for slug in tenant:
        place.store.pin(slug, policy.ref)
        typer.echo(f"{slug} is pinned to {policy.ref}.")


@app.command()
def diff(
    a: Ref,
    b: Ref,
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", "-t", help="Compare what both decided on this tenant's images."),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """How two versions differ; with a tenant, how their recorded decisions do."""
    from parjanya_dagster import policy
    from parjanya_dagster.errors import UnknownTenant
    from parjanya_dagster.regrade.report import compare_decided

    place = _open(home)
    first, second = place.registry.named(a), place.registry.named(b)
    found = policy.diff(first, second)
    if tenant is not None and place.store.tenant(tenant) is None:
        raise UnknownTenant(f"There is no tenant {tenant!r}.")
    compared = compare_decided(place.store, first, second, tenant) if tenant else None
    if as_json:
        body = {**found.body(), "threshold_only": found.threshold_only}
        typer.echo(json.dumps({**body, "decided": compared.body() if compared else None}, indent=2))
        return
    for change in found.changes:
        typer.echo(str(change))
    if found.threshold_only:
        typer.echo("Nothing new is needed: a regrade decides again, and asks no model.")
    for stage, paths in found.needs.items():
        typer.echo(f"{second.ref} needs more of {stage}: {', '.join(paths)}")
    if compared is None:
        return
    typer.secho(f"{compared.compared} images of {tenant} were decided by both: "
                f"{compared.same_verdict} alike.", bold=True)  # fmt: skip
    for flip in compared.flips:
        rules = ", ".join(f"{rule} {count}" for rule, count in flip.rules.items())
        typer.echo(f"{flip.images:>6}  {flip.before} → {flip.after}  ({rules})")
        typer.echo(f"        e.g. {', '.join(flip.examples)}")
    if compared.only_a or compared.only_b:
        typer.echo(
            f"{compared.only_a} only by {first.ref}, {compared.only_b} only by {second.ref}."
        )
