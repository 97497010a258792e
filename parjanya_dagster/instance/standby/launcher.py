"""Dagster's run launcher of a home: a stand-by takes the run, where there is one.

Dagster's records stay as they are: the state of runs, their logs, a termination from the UI, and
what tells that a process died. Where no stand-by is to be had, the code server starts a process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from dagster import DagsterRun, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher import (
    CheckRunHealthResult,
    DefaultRunLauncher,
    LaunchRunContext,
    WorkerStatus,
)
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, serialize_value

from parjanya_dagster.instance.standby import wire

PROCESS_TAG = "parjanya/process"
"""Of a run: the name of the process that has it; empty where the code server started it."""
PATIENCE = 10.0  # seconds that the server has to answer


class StandbyLauncher(DefaultRunLauncher):
    """Hands runs to stand-bys over the socket of their server."""

    def __init__(self, socket: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data=inst_data)
        self._socket = Path(socket)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"socket": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> StandbyLauncher:
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        try:
            taken = self._hand_over(context.dagster_run)
        except OSError:  # nobody listens, or it does not answer: nothing has begun
            taken = False
        if not taken:
            self._forget_process(context.dagster_run.run_id)
            super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if not run.tags.get(PROCESS_TAG):
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        self._instance.report_run_canceling(run)
        pid = process_of(run)
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether its process lives. Of a run in a child of the code server, that server tells."""
        if not run.tags.get(PROCESS_TAG) or process_of(run) is not None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The process of this run is gone.")

    def _forget_process(self, run_id: str) -> None:
        """A name may be left: of a process that did not begin the run, or of a run that this one
        repeats, whose tags it has. Whoever asks after that process would be misled."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and run.tags.get(PROCESS_TAG):
            self._instance.add_run_tags(run_id, {PROCESS_TAG: ""})

    def _hand_over(self, run: DagsterRun) -> bool:
        """Whether a stand-by has taken the run. Raises OSError."""
        if run.job_code_origin is None:
            return False
        command = serialize_value(
            ExecuteRunArgs(run.job_code_origin, run.run_id, self._instance.get_ref())
        )
        with wire.connect(self._socket, PATIENCE) as connection:
            wire.send(connection, {"run": run.run_id, "command": command})
            answer = wire.receive(connection)
            if answer is None or "process" not in answer:
                return False
            # The run names its process before it begins: whoever comes later can find it.
            self._instance.add_run_tags(run.run_id, {PROCESS_TAG: str(answer["process"])})
            wire.send(connection, {"go": True})
            # Without an answer it may have come too late. A run that two processes begin is
            # ignored by the second, and rows are fenced; one that none begins would wait.
            return wire.receive(connection) is not None


def process_name(pid: int) -> str:
    """What a run calls a process: its id, when it began, and the boot of the machine.

    Ids of processes come again. The time is in ticks since the boot, so no clock that is set moves
    it. Raises OSError where there is no such process.
    """
    status = Path(f"/proc/{pid}/stat").read_text()
    began = status.rpartition(")")[2].split()[19]  # `starttime` of proc_pid_stat(5)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return f"{pid}:{began}:{boot}"


def process_of(run: DagsterRun) -> int | None:
    """The id of the process that this run names, while it lives."""
    name = run.tags[PROCESS_TAG]
    try:
        pid = int(name.partition(":")[0])
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return None
        return pid if process_name(pid) == name else None
    except (ValueError, OSError, psutil.Error):
        return None
