"""`parjanya …`: thin. Each command opens the platform of a home, asks, prints."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlparse

import typer

from parjanya_dagster import logs
from parjanya_dagster.cli import (
    dashboard,
    declare,
    doctor,
    metrics,
    policy,
    preflight,
    regrade,
    tenant,
    uploads,
    worker,
)
from parjanya_dagster.errors import ParjanyaError

app = typer.Typer(
    help="Parjanya curates tenants' images: validated, enriched, scored, curated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(policy.app, name="policy")
app.add_typer(uploads.app, name="uploads")
app.add_typer(tenant.app, name="tenant")
app.command()(regrade.regrade)
app.command()(declare.declare)
app.command()(metrics.metrics)
app.command()(dashboard.dashboard)
app.command()(worker.worker)
app.command()(preflight.preflight)

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where the instance lives. Default: PARJANYA_HOME or .parjanya."),
]
TenantOption = Annotated[str | None, typer.Option("--tenant", "-t", help="One tenant only.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line. A ParjanyaError is a sentence and exit status 1, not a traceback."""
    logs.configure_for_commands()
    try:
        app()
    except ParjanyaError as error:
        typer.secho(f"parjanya: {error}", fg=typer.colors.RED, err=True)
        sys.exit(1)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        said = f"{error.strerror}: {error.filename}" if error.filename else error
        typer.secho(f"parjanya: {said}", fg=typer.colors.RED, err=True)
        sys.exit(1)


@app.command()
def up(
    home: Home = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the web UI. Default: the first free from 3000.")
    ] = None,
) -> None:
    """Run the platform: code server, daemon and web UI. Ctrl-C stops them all."""
    from parjanya_dagster.instance.home import alone, choose_port
    from parjanya_dagster.instance.supervisor import Supervisor
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    settings = load(home)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    with alone(settings):
        platform = open_platform(settings, migrating=True)
        declare.declare_here(platform)
        worker.check_queues(platform)
        platform.store.close()
        supervisor = Supervisor(settings, choose_port(port))
        typer.echo(f"Starting Parjanya in {settings.home} …")
        try:
            supervisor.start()
            announced = False
            while not stopping.wait(0.5):
                supervisor.tend()
                if not announced and supervisor.ready():
                    announced = True
                    typer.echo(f"The UI is at {supervisor.url}")
                    if settings.objects_url.startswith("file:"):
                        folder = unquote(urlparse(settings.objects_url).path)
                        typer.echo(f"Drop images into {folder}/<tenant>/incoming/")
                    typer.echo("Ctrl-C stops everything.")
        finally:
            try:
                typer.echo("Stopping …")
            finally:  # nobody may read our output any more
                supervisor.stop()


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to copy.")],
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="Whose images they are.")],
    home: Home = None,
) -> None:
    """Copy files or folders into a tenant's bucket. An unknown tenant is registered."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from parjanya_dagster.ingest.copy_files import collect, upload
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    found = collect(paths)
    platform = open_platform(load(home))
    recorded = platform.sweeper.add_tenant(tenant)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"into {tenant}", total=len(found.uploads))
        for _ in upload(platform.objects, recorded, found.uploads):
            progress.advance(task)
    typer.echo(f"{len(found.uploads)} files are in the bucket of {tenant}.")
    for path, why in found.refused.items():
        typer.secho(f"Left out: {path}: {why}", fg=typer.colors.YELLOW, err=True)
    if found.refused:
        raise typer.Exit(1)


@app.command()
def status(home: Home = None, tenant: TenantOption = None, as_json: Json = False) -> None:
    """Where the images of each tenant are."""
    from parjanya_dagster.doctor import explain
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    found = explain.status(open_platform(load(home)).store, tenant, time.time())
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console

    Console().print(status_table(found["tenants"]))
    for name, loop in found["loops"].items():
        typer.echo(f"{name}: completed {loop['seconds_ago']:.0f} s ago")
    if not found["loops"]:
        typer.echo("No loop has completed yet: is `parjanya up` running over this home?")


def status_table(tenants: list[dict[str, Any]]) -> Any:
    """The tenants' numbers as a rich table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("tenant", no_wrap=True)
    table.add_column("policy", no_wrap=True)
    columns = ("images", "pending", "working", "accept", "review", "reject", "failed")
    for column in columns:
        table.add_column(column, justify="right")
    for one in tenants:
        verdicts = one["verdicts"]
        numbers = (one["images"], one["pending"], one["in_flight"], verdicts["accept"],
                   verdicts["review"], verdicts["reject"], one["failed"])  # fmt: skip
        table.add_row(one["tenant"], one["policy"] or "", *map(str, numbers))
    return table


@app.command()
def explain(
    image: Annotated[str, typer.Argument(help="An image id, or a key such as incoming/a.jpg.")],
    home: Home = None,
    tenant: TenantOption = None,
    as_json: Json = False,
) -> None:
    """Everything about one image: status, why it is not done, evidence, decision, history."""
    from parjanya_dagster.doctor import explain
    from parjanya_dagster.doctor.instance import live_runs
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load
    from parjanya_dagster.truth.stages import Status

    platform = open_platform(load(home))
    row = explain.find_image(platform.store, image, tenant)
    done = Status(row.pipeline_status).terminal
    runs = None if done else live_runs(platform)
    found = explain.explain(platform.store, row, time.time(), runs)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    _print_explanation(found)


def _print_explanation(found: dict[str, Any]) -> None:
    place = found["object"]
    typer.secho(f"{place['key']}  ({found['tenant']})", bold=True)
    typer.echo(f"id       {found['image_id']}")
    typer.echo(f"batch    {found['batch']}")
    typer.echo(f"object   {place['state']}, {place['size']} bytes, in bucket {place['bucket']}")
    typer.echo(f"status   {found['status']}: {found['why']}")
    if found["boundary"]:
        typer.echo(f"held at  {found['boundary']}. Next: {found['next_step']}")
    if found["decision"]:
        typer.echo(f"decision {found['decision']['verdict']} under {found['decision']['policy']}")
        for reason in found["decision"]["reasons"]:
            typer.echo(f"  - {reason}")
    if len(found["decisions"]) > 1:
        typer.secho("\ndecisions, the last one counts", bold=True)
        for one in found["decisions"]:
            at = datetime.fromtimestamp(one["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
            why = "; ".join(one["reasons"])
            typer.echo(f"  {at}  {one['policy']:<16} {one['verdict']:<7} {why}")
    for one in found["evidence"]:
        mark = "" if one["current"] else "  (superseded)"
        typer.secho(f"\n{one['stage']}  by {one['engine']} {one['model']}{mark}", bold=True)
        for name, value in one["body"].items():
            typer.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)[:160]}")
    typer.secho("\nhistory", bold=True)
    for event in found["history"]:
        at = datetime.fromtimestamp(event["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"  {at}  {event['kind']:<12} → {event['to_status']}  {event['reason']}")


@app.command()
def report(
    output: Annotated[Path, typer.Argument(help="The HTML file to write.")] = Path("report.html"),
    home: Home = None,
    tenant: TenantOption = None,
) -> None:
    """Write an HTML page with every image, its verdict and its reasons."""
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load
    from parjanya_dagster.web.report.page import render
    from parjanya_dagster.web.report.rows import report_images

    platform = open_platform(load(home))
    tenants = [tenant] if tenant else [one.slug for one in platform.store.tenants()]
    images = list(report_images(platform.store, platform.objects, tenants))
    output.write_text(render(images, "Parjanya", datetime.now(UTC)), encoding="utf-8")
    typer.echo(f"{len(images)} images are in {output}.")


@app.command()
def migrate(home: Home = None) -> None:
    """Bring the truth store to the schema of this version."""
    from parjanya_dagster.platform import open_platform
    from parjanya_dagster.settings import load

    open_platform(load(home), migrating=True).store.close()
    typer.echo("The truth store has the schema of this version.")


app.command()(doctor.doctor)
app.command()(doctor.replay)
