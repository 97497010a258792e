"""A real instance for tests: `parjanya up` over a home of its own, watched from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from parjanya_dagster.instance.home import free_port
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import read
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.truth.stages import Status
from tests.support import command_line
from tests.support.forking import Program
from tests.support.waiting import is_alive, tail, used_by, wait_for_end, wait_until


class Instance:
    """`parjanya up` as a process, and the same Truth opened beside it.

    It is forked from a process that has imported what it needs (`tests/support/forking.py`), but
    where it shall be an interpreter of its own, as with a user. No process loads models ahead of
    runs unless `standby` asks for it: that costs seconds of the processor for each run.
    """

    def __init__(
        self, home: Path, *, of_its_own: bool = False, standby: int = 0, **settings: str
    ) -> None:
        self.home, self.of_its_own = home, of_its_own
        self.port, self.desk_port = free_port(), free_port()
        foreign = ("PARJANYA_", "DAGSTER_")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            **{f"PARJANYA_{name.upper()}": value for name, value in settings.items()},
            "PARJANYA_RUNS__STANDBY": str(standby),
            "PARJANYA_HOME": str(home),
        }
        self.settings = read(home, self.environment)
        self.process: subprocess.Popen[bytes] | Program | None = None
        self._platform: Platform | None = None
        self._dagster: DagsterInstance | None = None

    @property
    def platform(self) -> Platform:
        if self._platform is None:
            self._platform = open_platform(self.settings, migrating=True)
        return self._platform

    @property
    def incoming(self) -> Callable[[str], Path]:
        return lambda tenant: self.home / "buckets" / tenant / "incoming"

    def start(self) -> None:
        """Start it and wait until the UI answers."""
        self._forget_dagster()
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "up.log").touch()
        before = self._said().count("The UI is at")
        ports = ("--port", str(self.port), "--desk-port", str(self.desk_port))
        begin = self._interpreter if self.of_its_own else self.begun
        self.process = begin("up", *ports, log="up.log")
        self.until(lambda: self._said().count("The UI is at") > before, "the UI answers")

    def begun(self, *arguments: str, log: str) -> Program:
        """A command over this home as a process that goes on. `log` lies in the home."""
        return command_line.begun(
            *arguments, environment=self.environment, output=self.home / log, folder=self.home
        )

    def _interpreter(self, *arguments: str, log: str) -> subprocess.Popen[bytes]:
        with (self.home / log).open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", command_line.MODULE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.home,
            )

    def _said(self) -> str:
        return (self.home / "up.log").read_text()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        status = wait_for_end(self.process, "the instance ends", self.logs)
        self.process = None
        return status

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.process is not None:
            for process in self.processes():
                with_suppressed_kill(process)
            self.process.wait()
        if self._platform is not None:
            self._platform.store.close()
        self._forget_dagster()

    def processes(self) -> list[psutil.Process]:
        """Every process of this instance: they carry its home in their environment.

        Whoever waits asks often, and of all processes there are: psutil takes much longer for it.
        """
        ours = f"PARJANYA_HOME={self.home}".encode()
        found = []
        for pid in psutil.pids():
            try:
                with open(f"/proc/{pid}/environ", "rb") as environment:
                    if ours in environment.read().split(b"\0"):
                        found.append(psutil.Process(pid))
            except (OSError, psutil.Error):  # it ended, or it is another user's
                continue
        return [one for one in found if is_alive(one)]

    def until_gone(self) -> None:
        """Wait until no process of this instance is left."""
        wait_until(lambda: not self.processes(), "no process is left", moves=self._moves)

    def parjanya(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line over this home."""
        return command_line.parjanya(*arguments, environment=self.environment)

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait for the world to become so. Fails with the logs when it does not."""
        wait_until(true, what, moves=self._moves, died=self._died, log=self.logs)

    def _moves(self) -> object:
        return used_by(self.processes())

    def _died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def logs(self) -> str:
        return "\n".join(tail(file) for file in self._logs())

    def _logs(self) -> list[Path]:
        return [*sorted(self.home.glob("*.log")), *sorted((self.home / "logs").glob("*.log"))]

    def rows(self, tenant: str) -> dict[str, ImageRow]:
        """The rows of objects that are there, by file name below `incoming/`."""
        return {
            row.key.removeprefix("incoming/"): row
            for row in self.platform.store.present(tenant, "", 10_000)
        }

    def settled(self, expected: dict[str, int]) -> bool:
        """Whether each tenant has so many images, all terminal, and no manifest is stale."""
        for tenant, images in expected.items():
            rows = self.rows(tenant)
            if len(rows) != images:
                return False
            if not all(Status(row.pipeline_status).terminal for row in rows.values()):
                return False
        return not self.platform.store.stale_manifests()

    def idle(self) -> bool:
        """Whether no run waits or works. Dagster's records stay open: waits ask often."""
        alive = [status for status in DagsterRunStatus if status not in FINISHED_STATUSES]
        if self._dagster is None:
            self._dagster = DagsterInstance.from_config(str(self.home / "dagster"))
        return not self._dagster.get_runs_count(RunsFilter(statuses=alive))

    def _forget_dagster(self) -> None:
        """Its storage may be another after a start."""
        if self._dagster is not None:
            self._dagster.dispose()
            self._dagster = None

    @contextmanager
    def dagster(self) -> Iterator[DagsterInstance]:
        """Dagster's own records."""
        with DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            yield instance

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the webserver."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body: dict[str, Any] = json.load(answer)
        assert "errors" not in body, body["errors"]
        data: dict[str, Any] = body["data"]
        return data


def with_suppressed_kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
