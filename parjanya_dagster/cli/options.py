"""Options that many commands share, and the exit codes of those that judge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where the instance lives. Default: PARJANYA_HOME or .parjanya."),
]
TenantOption = Annotated[str | None, typer.Option("--tenant", "-t", help="One tenant only.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

HEALTHY, FINDINGS, CANNOT_TELL = 0, 1, 2
