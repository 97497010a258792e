"""`parjanya report`: a view of images as a page to keep or to send."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from parjanya_dagster.cli.filters import (
    Batches,
    Cameras,
    Categories,
    Faces,
    Failures,
    Languages,
    Reasons,
    Rules,
    Since,
    Sort,
    Tenants,
    Text,
    Verdicts,
    current_catalog,
    view_of,
)
from parjanya_dagster.cli.options import Home, platform_of
from parjanya_dagster.cli.output import Line
from parjanya_dagster.errors import SettingsInvalid


def report(
    output: Annotated[Path, typer.Argument(help="The HTML file to write.")] = Path("report.html"),
    home: Home = None,
    tenant: Tenants = None,
    verdict: Verdicts = None,
    rule: Rules = None,
    reason: Reasons = None,
    category: Categories = None,
    failure: Failures = None,
    batch: Batches = None,
    language: Languages = None,
    faces: Faces = None,
    camera: Cameras = None,
    since: Since = "",
    text: Text = "",
    sort: Sort = "-landed",
    limit: Annotated[
        int, typer.Option(min=0, help="Show at most so many. All are counted.")
    ] = 1000,
    size: Annotated[float, typer.Option(min=0.1, help="Megabytes, with pictures, at most.")] = 25.0,
    pictures: Annotated[
        str, typer.Option(help="embed: in the page; beside: in a folder next to it; none.")
    ] = "embed",
) -> None:
    """Write a page with images, their verdicts and reasons. It counts all and shows the first."""
    from parjanya_dagster.web.report import Report

    if pictures not in ("embed", "beside", "none"):
        raise SettingsInvalid(f"--pictures {pictures!r}: it is embed, beside or none.")
    if not output.absolute().parent.is_dir():
        raise SettingsInvalid(f"There is no folder {output.absolute().parent}.")
    platform = platform_of(home)
    chosen = {
        "tenant": tenant, "verdict": verdict, "rule": rule, "reason": reason, "category": category,
        "failure": failure, "batch": batch, "language": language, "faces": faces, "camera": camera,
    }  # fmt: skip
    line = Line()
    line("finding images, and reading their pictures …")
    with current_catalog(platform.store, platform.settings.home) as catalog:
        written = Report(
            catalog=catalog,
            store=platform.store,
            objects=platform.objects,
            pictures=pictures,  # type: ignore[arg-type]
            most=limit,
            most_bytes=int(size * 1e6),
        ).write(output, view_of(catalog, chosen, since, text, sort), datetime.now(UTC))
    line.clear()
    left = f" {written.left_out} more are counted and left out." if written.left_out else ""
    typer.echo(f"{written.shown} images are in {output} ({written.size / 1e6:.1f} MB).{left}")
