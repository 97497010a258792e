"""How commands print: JSON, colours, progress, points in time, exit codes of those that judge."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import typer

HEALTHY, FINDINGS, CANNOT_TELL = 0, 1, 2  # exit codes

_quiet = False
_passing = False  # whether the terminal's last line is a Line

GOOD, ATTENTION, BAD = typer.colors.GREEN, typer.colors.YELLOW, typer.colors.RED


def print_json(body: Any, indent: int | None = 2) -> None:
    typer.echo(json.dumps(body, indent=indent))


def print_title(text: str) -> None:
    typer.secho(text, bold=True)


def colours() -> bool | None:
    """False where `NO_COLOR` asks for none (https://no-color.org), else None: as the output is."""
    return False if os.environ.get("NO_COLOR") else None


def be_quiet(wanted: bool) -> None:
    """From now on this process prints results and errors alone, or again notes and progress too."""
    global _quiet
    _quiet = wanted


def quiet() -> bool:
    return _quiet


def print_note(text: str) -> None:
    """What helps a person who waits, to standard error."""
    if not quiet():
        _take_away()
        typer.echo(text, err=True)


class Line:
    """One line of a terminal that changes. What is printed to standard error next replaces it.

    Where standard error is no terminal, nothing is shown. If `logged`, each text is a line of its
    own there: whoever reads the log of a job sees how far it is.
    """

    def __init__(self, logged: bool = False) -> None:
        self._logged = logged

    def __call__(self, text: str) -> None:
        global _passing
        if not sys.stderr.isatty():
            if self._logged:
                print_note(text)
        elif not quiet():
            typer.echo(f"\r{text} \033[K", nl=False, err=True)
            _passing = True

    def end(self) -> None:
        """Leave the line as it is, and begin the next one."""
        global _passing
        if _passing:
            typer.echo("", err=True)
            _passing = False

    def clear(self) -> None:
        """Take the line away: what it told is over."""
        _take_away()


def _take_away() -> None:
    global _passing
    if _passing:
        typer.echo("\r\033[K", nl=False, err=True)
        _passing = False


def print_warning(text: str) -> None:
    """To standard error, so that it does not mix with what a program reads."""
    _take_away()
    typer.secho(text, fg=ATTENTION, err=True, color=colours())


def print_error(text: str) -> None:
    """To standard error, so that it does not mix with what a program reads."""
    _take_away()
    typer.secho(text, fg=BAD, err=True, color=colours())


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
