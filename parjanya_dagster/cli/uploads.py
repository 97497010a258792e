"""`parjanya uploads`: the application that takes uploads, and who may use it. Thin."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Uploads from browsers and programs.", no_args_is_help=True)
token_app = typer.Typer(help="Who may upload for a tenant.", no_args_is_help=True)
app.add_typer(token_app, name="token")

Home = Annotated[Path | None, typer.Option("--home", help="Where the instance lives.")]
Slug = Annotated[str, typer.Argument(help="The tenant.")]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8400,
    home: Home = None,
) -> None:
    """Run the application. Put a proxy with TLS before it where strangers reach it."""
    from parjanya_dagster.errors import SettingsInvalid
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    try:
        import uvicorn

        from parjanya_dagster.web.uploads import create_app
    except ImportError:
        raise SettingsInvalid(
            "The application needs FastAPI: pip install 'parjanya[uploads]'."
        ) from None
    platform = open_platform(load(home))
    application = create_app(platform)
    typer.echo(f"Uploads: http://{host}:{port}/ (the API is described in /openapi.json)")
    uvicorn.run(application, host=host, port=port, log_level="warning", server_header=False)


@token_app.command("add")
def add(
    tenant: Slug,
    name: Annotated[str, typer.Option(help="What you call it: who will use it.")] = "",
    home: Home = None,
) -> None:
    """Make a token and print it. It is shown this once: Truth keeps only its hash."""
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load
    from parjanya_dagster.uploads.tokens import issue

    _, text = issue(open_platform(load(home)).store, tenant, name, time.time())
    typer.echo(text)


@token_app.command("revoke")
def revoke(
    tenant: Slug,
    token_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    home: Home = None,
) -> None:
    """End a token at once. URLs that it was given stay good until they expire."""
    from parjanya_dagster.errors import TokenRefused
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    if not open_platform(load(home)).store.revoke_token(tenant, token_id, time.time()):
        raise TokenRefused(f"Tenant {tenant!r} has no token {token_id!r} that is not revoked.")
    typer.echo(f"{token_id} is revoked.")


@token_app.command("list")
def list_tokens(
    tenant: Slug,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: Home = None,
) -> None:
    """The tokens of a tenant, revoked ones too."""
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    found = open_platform(load(home)).store.tokens(tenant)
    if as_json:
        shown = [
            {"token_id": one.token_id, "name": one.name, "created_at": one.created_at,
             "revoked_at": one.revoked_at}
            for one in found
        ]  # fmt: skip
        typer.echo(json.dumps(shown, indent=2))
        return
    for one in found:
        state = f"revoked {_day(one.revoked_at)}" if one.revoked_at else "valid"
        typer.echo(f"{one.token_id}  made {_day(one.created_at)}  {state}  {one.name}")


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
