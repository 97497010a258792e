"""The supervisor: what dies is started again, and nothing outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from parjanya_dagster.instance import supervisor as module
from parjanya_dagster.instance.supervisor import Service, Supervisor
from parjanya_dagster.regrade.launch import UI_FILE
from parjanya_dagster.settings import Settings
from tests.support.clock import Clock

DEAF = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
print(child.pid, flush=True)
time.sleep(600)
"""
"""A program that will not hear, with a child that will not either."""


@pytest.fixture
def supervisor(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    (tmp_path / "logs").mkdir()
    supervisor = Supervisor(Settings(home=tmp_path), 0, 0, clock)
    yield supervisor
    supervisor.stop()


def add(supervisor: Supervisor, program: str) -> Service:
    service = Service("test", ["-c", program])
    supervisor.services.append(service)
    supervisor.restart_dead()
    return service


def child_of(supervisor: Supervisor) -> psutil.Process:
    """The process whose id the program printed."""
    log = supervisor.settings.home / "logs" / "test.log"
    while not log.read_text().endswith("\n"):
        process = supervisor.services[0].process
        assert process is not None
        assert process.poll() is None, log.read_text()
    return psutil.Process(int(log.read_text()))


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_dead_service_is_started_again_after_a_growing_pause(
    supervisor: Supervisor, clock: Clock
) -> None:
    service = add(supervisor, "raise SystemExit(3)")
    pauses = []
    for _ in range(8):
        assert service.process is not None
        service.process.wait()
        supervisor.restart_dead()
        assert service.process is None
        pauses.append(service.next_start - clock())
        clock.pass_by(pauses[-1] - 0.01)
        supervisor.restart_dead()
        assert service.process is None
        clock.pass_by(0.02)
        supervisor.restart_dead()
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])


def test_a_service_that_ran_well_is_started_again_at_once(
    supervisor: Supervisor, clock: Clock
) -> None:
    service = add(supervisor, "raise SystemExit(3)")
    for lived, pause in ((1.0, 1.0), (1.0, 2.0), (3600.0, 1.0)):
        assert service.process is not None
        service.process.wait()
        clock.pass_by(lived)
        supervisor.restart_dead()
        assert service.next_start - clock() == pytest.approx(pause)
        clock.pass_by(pause)
        supervisor.restart_dead()


def test_a_living_service_is_left_alone(supervisor: Supervisor, clock: Clock) -> None:
    service = add(supervisor, "import time; time.sleep(600)")
    before = service.process
    clock.pass_by(1000)
    supervisor.restart_dead()
    assert service.process is before
    assert service.deaths == 0


def test_stopping_ends_even_what_does_not_hear_and_its_children(supervisor: Supervisor) -> None:
    service = add(supervisor, DEAF)
    child = child_of(supervisor)
    assert service.process is not None
    head = psutil.Process(service.process.pid)
    supervisor.stop()
    psutil.wait_procs([child], timeout=600)
    assert gone(head)
    assert gone(child)
    supervisor.stop()  # again, with nothing left


def test_what_a_dead_service_left_behind_ends_with_the_supervisor(
    supervisor: Supervisor, clock: Clock
) -> None:
    service = add(supervisor, DEAF)
    child = child_of(supervisor)
    assert service.process is not None
    os.kill(service.process.pid, signal.SIGKILL)
    service.process.wait()
    supervisor.restart_dead()
    clock.pass_by(10)
    assert not gone(child)
    supervisor.stop()
    psutil.wait_procs([child], timeout=600)
    assert gone(child)


def test_what_has_stopped_leaves_no_address_of_a_ui(supervisor: Supervisor) -> None:
    address = supervisor.settings.home / UI_FILE
    address.write_text(supervisor.url)

    supervisor.stop()

    assert not address.exists()


def test_an_address_that_cannot_be_removed_keeps_no_process_alive(supervisor: Supervisor) -> None:
    service = add(supervisor, "import time; time.sleep(600)")
    assert service.process is not None
    process = psutil.Process(service.process.pid)
    (supervisor.settings.home / UI_FILE).mkdir()  # as on a disk that cannot be written

    supervisor.stop()

    assert gone(process)
