"""Stand-by processes: the real server, its forks, and Dagster's own storage and run execution."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from parjanya_dagster.instance.home import dagster_config, write_home
from parjanya_dagster.instance.standby import wire
from parjanya_dagster.instance.standby.launcher import PROCESS_TAG, StandbyLauncher, process_name
from parjanya_dagster.instance.standby.worker import RUNNING, WAITING, preloaded
from parjanya_dagster.instance.storage import prepare_dagster
from parjanya_dagster.platform import open_platform
from parjanya_dagster.settings import ENV_FILE, Settings, process_environment
from tests.support import waiting_job
from tests.support.forking import Program
from tests.support.waiting import is_alive, tail, wait_for_end, wait_until, work_of

pytestmark = pytest.mark.skipif(not wire.AVAILABLE, reason="stand-bys are forks, on Linux only")
MODULE = waiting_job.__name__


class House:
    """A home whose stand-bys run, and an instance of Dagster that starts runs with them."""

    def __init__(self, folder: Path) -> None:
        # As deep as homes may lie: the address of a socket has at most 107 bytes.
        self.settings = Settings(home=folder / ("deep" * 20) / "home")
        open_platform(self.settings, migrating=True).store.close()
        write_home(self.settings, code_port=1)
        prepare_dagster(self.settings)
        self.folder = self.settings.home / "dagster"
        self.gate = self.settings.home / "gate"
        self.log = self.settings.home / "standby.log"
        self.process = self._start()
        self.instance = DagsterInstance.from_config(str(self.folder))

    def _start(self) -> Program:
        return Program(
            "parjanya_dagster.instance.standby.server",
            MODULE,
            environment={**process_environment(self.settings), waiting_job.GATE: str(self.gate)},
            output=self.log,
        )

    @property
    def launcher(self) -> StandbyLauncher:
        launcher = self.instance.run_launcher
        assert isinstance(launcher, StandbyLauncher)
        return launcher

    def until(self, true: Callable[[], object], what: str) -> None:
        wait_until(
            true,
            what,
            moves=lambda: work_of(self.process.pid),
            log=lambda: tail(self.log),
            pause=0.02,
        )

    def waiting(self) -> list[psutil.Process]:
        """Those that stand by, and have loaded what they load: each has its decoders."""
        return [
            child
            for child in psutil.Process(self.process.pid).children()
            if is_alive(child)
            and _name(child) == WAITING
            and _children(child) >= self.settings.media.workers
        ]

    def until_one_waits(self) -> psutil.Process:
        self.until(self.waiting, "a process stands by")
        return self.waiting()[0]

    def run(self) -> DagsterRun:
        """A run as the daemon has it when it launches it."""
        origin = JobPythonOrigin(
            "waiting_job",
            RepositoryPythonOrigin(sys.executable, ModuleCodePointer(MODULE, "defs")),
        )
        return self.instance.create_run_for_job(
            waiting_job.waiting_job, status=DagsterRunStatus.STARTING, job_code_origin=origin
        )

    def launched(self) -> DagsterRun:
        run = self.run()
        self.until(lambda: self._taken(run), "a process takes the run")
        return self.again(run)

    def _taken(self, run: DagsterRun) -> bool:
        try:
            return self.launcher._hand_over(run)
        except OSError:  # the machine is so busy that it did not answer in time
            return False

    def again(self, run: DagsterRun) -> DagsterRun:
        known = self.instance.get_run_by_id(run.run_id)
        assert known is not None
        return known

    def until_it_is(self, run: DagsterRun, status: DagsterRunStatus) -> None:
        self.until(
            lambda: self.again(run).status == status or self.again(run).is_finished,
            f"the run is {status.value}",
        )
        assert self.again(run).status == status, self.messages(run)

    def started(self) -> tuple[DagsterRun, psutil.Process]:
        run = self.launched()
        self.until_it_is(run, DagsterRunStatus.STARTED)
        return run, psutil.Process(int(run.tags[PROCESS_TAG].split(":")[0]))

    def messages(self, run: DagsterRun) -> str:
        return "\n".join(entry.message for entry in self.instance.all_logs(run.run_id))

    def close(self) -> None:
        self.instance.dispose()
        self.process.terminate()
        wait_for_end(self.process, "the server has ended", lambda: tail(self.log))


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _children(process: psutil.Process) -> int:
    try:
        return len(process.children())
    except psutil.Error:  # it has just ended
        return 0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("standby"))
    yield house
    house.close()


@pytest.fixture
def house(shared: House) -> House:
    """A house whose server has one process that stands by, and whose gate is closed."""
    shared.gate.unlink(missing_ok=True)
    shared.until_one_waits()
    return shared


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    if house.process.poll() is None:
        house.close()


def test_a_run_is_taken_by_the_process_that_stood_by_and_another_takes_its_place(
    house: House,
) -> None:
    stood_by = house.until_one_waits()
    run, process = house.started()
    assert process == stood_by
    assert process.name() == RUNNING
    assert house.launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    house.gate.touch()
    house.until_it_is(run, DagsterRunStatus.SUCCESS)
    house.until(lambda: not is_alive(process), "it ends with its run")
    assert house.until_one_waits().pid != process.pid
    assert f"(pid: {process.pid})" in house.messages(run)


def test_more_runs_than_stand_bys_all_begin(house: House) -> None:
    runs = [house.launched() for _ in range(3)]
    assert len({run.tags[PROCESS_TAG] for run in runs}) == 3
    house.gate.touch()
    for run in runs:
        house.until_it_is(run, DagsterRunStatus.SUCCESS)


def test_a_process_takes_its_run_while_it_still_loads(house: House) -> None:
    house.until_one_waits().kill()
    house.until(lambda: not house.waiting(), "it is dead")

    def loading() -> list[psutil.Process]:
        children = psutil.Process(house.process.pid).children()
        return [child for child in children if is_alive(child) and _name(child) == WAITING]

    house.until(loading, "another one loads")
    (process,) = loading()
    run = house.launched()
    house.gate.touch()
    house.until_it_is(run, DagsterRunStatus.SUCCESS)
    assert run.tags[PROCESS_TAG].startswith(f"{process.pid}:")


def test_a_run_whose_process_is_killed_has_failed_and_says_of_what(house: House) -> None:
    run, process = house.started()
    process.kill()
    house.until_it_is(run, DagsterRunStatus.FAILURE)
    assert "SIGKILL" in house.messages(run)
    assert house.launcher.check_run_worker_health(run).status is WorkerStatus.FAILED


def test_a_run_is_terminated_and_says_so(house: House) -> None:
    run, process = house.started()
    assert house.launcher.terminate(run.run_id)
    house.until_it_is(run, DagsterRunStatus.CANCELED)
    house.until(lambda: not is_alive(process), "its process ends")
    assert not house.launcher.terminate(run.run_id)


def test_an_answer_that_is_lost_starts_nothing(house: House) -> None:
    """The launcher may have named the process in its run, and died. Whoever ends that run must not
    end another."""
    stood_by = house.until_one_waits()
    run = house.run()
    with wire.connect(house.folder / wire.SOCKET_NAME, 5.0) as connection:
        wire.send(connection, {"run": run.run_id, "command": "{}"})
        assert wire.receive(connection) is not None
    house.until(lambda: not is_alive(stood_by), "the process that was named takes no other run")
    assert house.until_one_waits() != stood_by
    assert house.again(run).status == DagsterRunStatus.STARTING


def test_a_go_that_comes_too_late_is_told_so(house: House) -> None:
    """The server gave up; the launcher must not believe that the run has begun."""
    stood_by = house.until_one_waits()
    run = house.run()
    with wire.connect(house.folder / wire.SOCKET_NAME, 60.0) as connection:
        wire.send(connection, {"run": run.run_id, "command": "{}"})
        assert wire.receive(connection) is not None
        assert wire.receive(connection) is None  # it waits for "go", and then closes
    house.until(lambda: not is_alive(stood_by), "the process that was named takes no other run")


@pytest.mark.parametrize("said", [b"", b"\n", b"[]\n", b"no JSON\n", b'{"run": 1'])
def test_what_is_no_offer_is_passed_over(house: House, said: bytes) -> None:
    stood_by = house.until_one_waits()
    with wire.connect(house.folder / wire.SOCKET_NAME, 5.0) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        assert wire.receive(connection) is None
    assert house.until_one_waits() == stood_by


def test_a_process_that_is_killed_while_it_waits_is_replaced(house: House) -> None:
    stood_by = house.until_one_waits()
    stood_by.kill()
    house.until(lambda: not is_alive(stood_by), "it is dead")
    assert house.until_one_waits().pid != stood_by.pid


def test_only_its_owner_reaches_the_server(house: House) -> None:
    mode = (house.folder / wire.SOCKET_NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_changed_settings_end_it_and_its_runs_go_on(own_house: House) -> None:
    house = own_house
    stood_by = house.until_one_waits()
    run, process = house.started()
    (house.settings.home / ENV_FILE).write_text("PARJANYA_MEDIA__WORKERS=1\n")
    assert not house.launcher._hand_over(house.run())
    assert is_alive(process)
    house.gate.touch()
    house.until_it_is(run, DagsterRunStatus.SUCCESS)
    assert wait_for_end(house.process, "it ends after its last run") == 0
    assert not is_alive(stood_by)
    with pytest.raises(OSError, match=r"."):  # then the code server starts runs
        house.launcher._hand_over(house.run())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_that_stands_by_outlives_the_server(
    own_house: House, number: signal.Signals
) -> None:
    stood_by = own_house.until_one_waits()
    family = [stood_by, *stood_by.children()]
    own_house.process.send_signal(number)
    own_house.process.wait()
    wait_until(lambda: not any(map(is_alive, family)), "all have ended", pause=0.02)


def test_a_process_id_that_has_come_again_is_not_taken_for_the_run(
    house: House,
) -> None:
    run = house.run()
    began = process_name(os.getpid()).split(":")
    house.instance.add_run_tags(run.run_id, {PROCESS_TAG: f"{os.getpid()}:1:{began[2]}"})
    run = house.again(run)
    assert house.launcher.check_run_worker_health(run).status is WorkerStatus.FAILED
    assert not house.launcher.terminate(run.run_id)


def test_a_run_that_the_code_server_starts_names_no_other_process(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tags may be those of a run that it repeats, or of an offer that was not answered."""
    stood_by = house.until_one_waits()
    run = house.run()
    house.instance.add_run_tags(run.run_id, {PROCESS_TAG: process_name(stood_by.pid)})
    started: list[str] = []
    monkeypatch.setattr(house.launcher, "_hand_over", lambda run: False)
    monkeypatch.setattr(
        DefaultRunLauncher,
        "launch_run",
        lambda self, context: started.append(context.dagster_run.run_id),
    )
    house.launcher.launch_run(LaunchRunContext(house.again(run), None))
    assert started == [run.run_id]
    stood_by.kill()
    health = house.launcher.check_run_worker_health(house.again(run))
    assert health.status is WorkerStatus.RUNNING


@pytest.mark.parametrize("standby", [0, 1])
def test_runs_are_forked_where_that_is_safe_and_else_left_to_the_code_server(
    tmp_path: Path, standby: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, runs={"standby": standby})
    assert dagster_config(settings)["run_launcher"]["class"] == "StandbyLauncher"
    monkeypatch.setattr(wire, "AVAILABLE", False)
    assert "run_launcher" not in dagster_config(settings)


def test_large_models_are_left_to_the_run_that_needs_them(tmp_path: Path) -> None:
    assert preloaded(Settings(home=tmp_path)) == ["enriched", "scored"]
    served = Settings(home=tmp_path, engines={"enricher": "transformers"}, vlm={"model": "x"})
    assert preloaded(served) == ["scored"]
