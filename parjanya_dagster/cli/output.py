"""How commands print: JSON, colours, points in time, and the exit codes of those that judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import typer

HEALTHY, FINDINGS, CANNOT_TELL = 0, 1, 2  # exit codes

GOOD, ATTENTION, BAD = typer.colors.GREEN, typer.colors.YELLOW, typer.colors.RED


def print_json(body: Any, indent: int | None = 2) -> None:
    typer.echo(json.dumps(body, indent=indent))


def print_title(text: str) -> None:
    typer.secho(text, bold=True)


def print_warning(text: str) -> None:
    """To standard error, so that it does not mix with what a program reads."""
    typer.secho(text, fg=ATTENTION, err=True)


def print_error(text: str) -> None:
    """To standard error, so that it does not mix with what a program reads."""
    typer.secho(text, fg=BAD, err=True)


def kinds_told(counts: Mapping[str, int]) -> str:
    """Such as "12 (sidecar 8, film 4)"."""
    told = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    return f"{sum(counts.values())} ({told})"


def second(at: float) -> str:
    """A point in time, to the second, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
