"""The processes of an instance: code server, daemon, web UI, desk. Restarted when they die.

Every process leads a process group of its own and asks the kernel to end it with its parent. So
neither Ctrl-C nor a SIGKILL of the supervisor leaves one behind.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from parjanya_dagster.instance.home import HOST, forks_runs, free_port, write_home
from parjanya_dagster.instance.prefork import Prefork, Process, end_with_parent
from parjanya_dagster.instance.storage import prepare_dagster
from parjanya_dagster.lines import get_logger
from parjanya_dagster.regrade.launch import UI_FILE
from parjanya_dagster.settings import Settings, process_environment

log = get_logger(__name__)
SERVICES = 5  # at most
PYTHON = (sys.executable, "-W", "ignore")
PATIENCE = 10.0  # seconds that a process gets to end by itself
RAN_WELL = 60.0  # seconds after which the count of deaths starts again


@dataclass(slots=True)
class Service:
    """A process that should run."""

    name: str
    program: Sequence[str]  # arguments of Python
    process: Process | None = None
    deaths: int = 0  # since it last ran well
    started_at: float = 0.0
    next_start: float = 0.0


@dataclass
class Supervisor:
    """Starts the services of a home, keeps them running, ends them."""

    settings: Settings
    port: int
    desk_port: int
    clock: Callable[[], float] = time.monotonic
    prefork: Prefork = field(default_factory=Prefork)  # of the first start
    services: list[Service] = field(default_factory=list)
    orphans: set[int] = field(default_factory=set)  # process groups whose head has died

    def start(self) -> None:
        code_port = free_port()
        workspace = str(write_home(self.settings, code_port))
        prepare_dagster(self.settings)
        (self.settings.home / UI_FILE).write_text(self.url)
        self.services = [
            Service("code", ["-m", "dagster", "api", "grpc", "-m",
                             "parjanya_dagster.definitions", "-h", HOST, "-p", str(code_port),
                             "--location-name", "parjanya"]),
            Service("daemon", ["-m", "parjanya_dagster.instance.daemon", "run", "-w", workspace]),
            Service("webserver", ["-m", "dagster_webserver", "-h", HOST, "-p", str(self.port),
                                  "-w", workspace]),
            Service("desk", ["-m", "parjanya_dagster.cli", "web",
                             "--home", str(self.settings.home), "--port", str(self.desk_port)]),
        ]  # fmt: skip
        if forks_runs():
            self.services.append(
                Service("standby", ["-m", "parjanya_dagster.instance.standby.server",
                                    "parjanya_dagster.definitions"])
            )  # fmt: skip
        for service in self.services:
            self._spawn(service)
        self.prefork.close()

    def restart_dead(self) -> None:
        """Restart processes that died, after a growing pause. Their children are asked to end."""
        self.orphans = {group for group in self.orphans if _signal_group(group, 0)}
        for service in self.services:
            process = service.process
            if process is not None and process.poll() is not None:
                service.process = None
                if _signal_group(process.pid, signal.SIGTERM):  # runs hand back what they hold
                    self.orphans.add(process.pid)
                if self.clock() - service.started_at > RAN_WELL:
                    service.deaths = 0
                service.deaths += 1
                service.next_start = self.clock() + min(30.0, 0.5 * 2**service.deaths)
                log.warning("service_died", service=service.name, status=process.returncode,
                            log=str(self._log_path(service)))  # fmt: skip
            if service.process is None and self.clock() >= service.next_start:
                self._spawn(service)

    def ready(self) -> bool:
        """Whether both addresses answer and the code location has loaded."""
        query = urllib.request.Request(
            f"{self.url}/graphql",
            data=b'{"query":"{ repositoriesOrError { ... on RepositoryConnection '
            b'{ nodes { name } } } }"}',
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(query, timeout=5) as answer:
                if b'"name"' not in answer.read():
                    return False
            with urllib.request.urlopen(f"{self.desk_url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):  # not there yet, or another's port
            return False

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def desk_url(self) -> str:
        return f"http://{HOST}:{self.desk_port}"

    def stop(self) -> None:
        """End every process and all that it started. Each is asked first, then killed."""
        with suppress(OSError):  # where it stays, whoever reads it asks the UI whose it is
            (self.settings.home / UI_FILE).unlink()
        family = self._family()
        for service in reversed(self.services):
            if service.process is not None:
                _signal_group(service.process.pid, signal.SIGTERM)
        psutil.wait_procs(family, timeout=PATIENCE)
        for process in family:
            if process.is_running():
                _kill(process)
        for group in self.orphans:
            _signal_group(group, signal.SIGKILL)
        for service in self.services:
            if service.process is not None:
                _signal_group(service.process.pid, signal.SIGKILL)
                service.process.wait()
                service.process = None

    def _family(self) -> list[psutil.Process]:
        family: list[psutil.Process] = []
        for service in self.services:
            if service.process is None:
                continue
            try:
                head = psutil.Process(service.process.pid)
                family += [head, *head.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return family

    def _spawn(self, service: Service) -> None:
        service.started_at = self.clock()
        environment: Mapping[str, str] = {
            **process_environment(self.settings),
            "DAGSTER_EVENT_BATCH_SIZE": os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "100"),
            "PYTHONUNBUFFERED": "1",
        }
        service.process = self._become(service, environment) or self._open(service, environment)

    def _become(self, service: Service, environment: Mapping[str, str]) -> Process | None:
        """A process that was forked for this start, where one is left."""
        option, *program = service.program
        if option != "-m":
            return None
        return self.prefork.become(
            service.name, program, environment, self.settings.home, self._log_path(service)
        )

    def _open(self, service: Service, environment: Mapping[str, str]) -> Process:
        with self._log_path(service).open("ab") as output:
            return subprocess.Popen(
                [*PYTHON, *service.program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=self.settings.home,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def _log_path(self, service: Service) -> Path:
        return self.settings.home / "logs" / f"{service.name}.log"


def _signal_group(pid: int, number: int) -> bool:
    """Whether the group of this head has any process left. Signal 0 only asks."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return False
    return True


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
