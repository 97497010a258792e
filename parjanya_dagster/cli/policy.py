"""`parjanya policy …`: versions, their differences, and who is pinned to which."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parjanya_dagster.cli.options import Home, Json, platform_of, readable_of
from parjanya_dagster.cli.output import day, print_json, print_title
from parjanya_dagster.cli.tune import tune

if TYPE_CHECKING:
    from parjanya_dagster.policy import Comparison, Policy, PolicyDiff

app = typer.Typer(
    help="Policies: list, show, check, publish, compare, pin, tune.", no_args_is_help=True
)
app.command()(tune)

Ref = Annotated[str, typer.Argument(help="name@version, or a name for its newest version.")]
File = Annotated[Path, typer.Argument(help="A YAML file.")]


@app.command("list")
def list_policies(home: Home = None, as_json: Json = False) -> None:
    """Every published version, and the tenants that are pinned to it."""
    from parjanya_dagster.truth.pins import pinned

    truth = readable_of(home)
    tenants_of = pinned(truth.tenants())
    policies: list[dict[str, Any]] = [
        {"policy": policy.ref, "hash": policy.hash, "published_at": policy.published_at,
         "tenants": tenants_of.get(policy.ref, [])}
        for policy in truth.policies()
    ]  # fmt: skip
    if as_json:
        print_json(policies)
        return
    for policy in policies:
        tenants = ", ".join(policy["tenants"]) or "nobody"
        typer.echo(f"{policy['policy']:<24} {policy['hash'][:19]}…  "
                   f"{day(policy['published_at'])}  pinned: {tenants}")  # fmt: skip


@app.command()
def show(ref: Ref, home: Home = None, as_json: Json = False) -> None:
    """A published version, as its author wrote it."""
    policy = platform_of(home).registry.named(ref)
    if as_json:
        print_json({"policy": policy.ref, "hash": policy.hash, "content": policy.content()})
        return
    typer.echo(f"# {policy.ref}  {policy.hash}")
    typer.echo(policy.text.rstrip())


@app.command()
def check(file: File, home: Home = None) -> None:
    """Say what is wrong with a file, or that it is fine and how it differs from what is there."""
    from parjanya_dagster.truth.policy_registry import read_file

    policy = read_file(file)
    published = platform_of(home).registry.published().get(policy.ref)
    conflict = published is not None and published.hash != policy.hash
    if published is None:
        state = "not published yet."
    elif conflict:
        state = (f"published with OTHER content, so this file would be refused: make it "
                 f"version {policy.version + 1}.")  # fmt: skip
    else:
        state = "published, with this content."
    typer.echo(f"{policy.ref} is valid ({policy.hash[:19]}…); it is {state}")
    if conflict:
        raise typer.Exit(1)


@app.command()
def publish(file: File, home: Home = None) -> None:
    """Publish a file as a new version. A published version never changes its content."""
    from parjanya_dagster.truth.policy_registry import read_file

    policy = platform_of(home, making=True).registry.publish(read_file(file))
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
    platform = platform_of(home)
    policy = platform.registry.named(ref)
    for slug in tenant:
        platform.store.pin(slug, policy.ref)
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
    from parjanya_dagster.policy import diff as differences
    from parjanya_dagster.regrade.report import compare_decided

    platform = platform_of(home)
    first, second = platform.registry.named(a), platform.registry.named(b)
    changes = differences(first, second)
    decided = None
    if tenant is not None:
        platform.tenant(tenant)
        decided = compare_decided(platform.store, first, second, tenant)
    if as_json:
        print_json({**changes.body(), "threshold_only": changes.threshold_only,
                    "decided": decided.body() if decided else None})  # fmt: skip
        return
    _print_changes(changes, second)
    if decided is not None and tenant is not None:
        _print_decided(decided, first, second, tenant)


def _print_changes(changes: PolicyDiff, second: Policy) -> None:
    for change in changes.changes:
        typer.echo(str(change))
    if changes.threshold_only:
        typer.echo("Nothing new is needed: a regrade decides again, and asks no model.")
    for stage, paths in changes.needs.items():
        typer.echo(f"{second.ref} needs more of {stage}: {', '.join(paths)}")


def _print_decided(decided: Comparison, first: Policy, second: Policy, tenant: str) -> None:
    print_title(f"{decided.compared} images of {tenant} were decided by both: "
                f"{decided.same_verdict} alike.")  # fmt: skip
    for flip in decided.flips:
        rules = ", ".join(f"{rule} {count}" for rule, count in flip.rules.items())
        typer.echo(f"{flip.images:>6}  {flip.before} → {flip.after}  ({rules})")
        typer.echo(f"        e.g. {', '.join(flip.examples)}")
    if decided.only_a or decided.only_b:
        typer.echo(f"{decided.only_a} only by {first.ref}, {decided.only_b} only by {second.ref}.")
