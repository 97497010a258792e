"""`parjanya report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from parjanya_dagster.cli.options import Home, OneTenant, platform_of


def report(
    output: Annotated[Path, typer.Argument(help="The HTML file to write.")] = Path("report.html"),
    home: Home = None,
    tenant: OneTenant = None,
) -> None:
    """Write an HTML page with every image, its verdict and its reasons."""
    from parjanya_dagster.web.report.write import write_report

    platform = platform_of(home)
    tenants = [tenant] if tenant else None
    images = write_report(output, platform.store, platform.objects, datetime.now(UTC), tenants)
    typer.echo(f"{images} images are in {output}.")
