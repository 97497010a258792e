"""`parjanya uploads …`: who may upload. `parjanya web` serves the page."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, Json, TenantName, platform_of
from parjanya_dagster.cli.output import minute, print_json
from parjanya_dagster.errors import TokenRefused

app = typer.Typer(help="Uploads from browsers and programs.", no_args_is_help=True)
token_app = typer.Typer(help="Who may upload for a tenant.", no_args_is_help=True)
app.add_typer(token_app, name="token")


@token_app.command("add")
def add(
    tenant: TenantName,
    name: Annotated[str, typer.Option(help="What you call it: who will use it.")] = "",
    home: Home = None,
) -> None:
    """Make a token and print it. It is shown this once: Truth keeps only its hash."""
    from parjanya_dagster.uploads.tokens import issue

    _, text = issue(platform_of(home).store, tenant, name, time.time())
    typer.echo(text)


@token_app.command("revoke")
def revoke(
    tenant: TenantName,
    token_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    home: Home = None,
) -> None:
    """End a token at once. URLs that it was given stay good until they expire."""
    if not platform_of(home).store.revoke_token(tenant, token_id, time.time()):
        raise TokenRefused(f"Tenant {tenant!r} has no token {token_id!r} that is not revoked.")
    typer.echo(f"{token_id} is revoked.")


@token_app.command("list")
def list_tokens(tenant: TenantName, as_json: Json = False, home: Home = None) -> None:
    """The tokens of a tenant, revoked ones too."""
    platform = platform_of(home)
    tokens = platform.store.tokens(platform.tenant(tenant).slug)
    if as_json:
        shown = ("token_id", "name", "created_at", "revoked_at")
        print_json([{name: getattr(token, name) for name in shown} for token in tokens])
        return
    for token in tokens:
        state = f"revoked {minute(token.revoked_at)}" if token.revoked_at else "valid"
        typer.echo(f"{token.token_id}  made {minute(token.created_at)}  {state}  {token.name}")
    if not tokens:
        typer.echo(f"{tenant} has no token. `parjanya uploads token add {tenant}` makes one.")
