"""`parjanya` in a process of its own, forked from one that has imported it already.

Whoever tests the start of the program itself starts a real one.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.forking import Program

PATIENCE = 900.0  # seconds: only a failure takes that long
MODULE = "parjanya_dagster.cli"


def parjanya(
    *arguments: str, environment: Mapping[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line with exactly this environment, in this folder, without input."""
    with tempfile.TemporaryDirectory() as kept:
        output, errors = Path(kept, "output"), Path(kept, "errors")
        process = begun(
            *arguments, environment=environment, folder=folder, output=output, errors=errors
        )
        try:
            status = process.wait(PATIENCE)
        except TimeoutError:
            process.kill()
            process.wait()
            raise AssertionError(
                f"parjanya {arguments} does not end.\n{errors.read_text()}"
            ) from None
        return subprocess.CompletedProcess(
            arguments, status, output.read_text("utf-8"), errors.read_text("utf-8")
        )


def begun(
    *arguments: str,
    environment: Mapping[str, str],
    output: Path,
    errors: Path | None = None,
    folder: Path | None = None,
) -> Program:
    """The command line as a process that goes on. What it says is appended to these files."""
    return Program(
        MODULE,
        *arguments,
        environment=environment,
        folder=folder,
        output=output,
        errors=errors,
    )
