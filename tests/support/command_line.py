"""`parjanya` in a process of its own, forked from one that has imported it already.

A fresh interpreter spends seconds of processor time on imports. Whoever tests the start of the
program itself starts a real one.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 900.0  # seconds: only a failure takes that long
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [
        "pytest",
        "parjanya_dagster.cli.main",
        "parjanya_dagster.doctor.instance",
        "parjanya_dagster.ingest.copy_files",
        "parjanya_dagster.instance.supervisor",
        "parjanya_dagster.platform",
    ]
)


def parjanya(
    *arguments: str, environment: Mapping[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line with exactly this environment, in this folder, without input."""
    with tempfile.TemporaryDirectory() as kept:
        output, errors = Path(kept, "output"), Path(kept, "errors")
        process = _FORKING.Process(
            target=_run, args=(arguments, dict(environment), folder, output, errors)
        )
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"parjanya {arguments} does not end.\n{errors.read_text()}")
        return subprocess.CompletedProcess(
            arguments, process.exitcode, output.read_text("utf-8"), errors.read_text("utf-8")
        )


def _run(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    folder: Path | None,
    output: Path,
    errors: Path,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    if folder is not None:
        os.chdir(folder)
    for number, file in ((1, output), (2, errors)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    sys.argv = ["parjanya", *arguments]
    from parjanya_dagster.cli.main import main

    main()
