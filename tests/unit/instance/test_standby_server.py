"""When the server forks the next stand-by: a clock that is set, and processes that are not real."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from parjanya_dagster.instance.standby import wire
from parjanya_dagster.instance.standby.server import Server, Timing

pytestmark = pytest.mark.skipif(not wire.AVAILABLE, reason="stand-bys are forks, on Linux only")


class Process:
    """One that never runs. It is ready at once, and ends when the test says so."""

    pid = os.getpid()
    exitcode = 0

    def __init__(self, target: Any, args: tuple[Any, ...]) -> None:
        self.sentinel, self._end = os.pipe()
        self._control: socket.socket = args[1].dup()
        wire.send(self._control, {"ready": True})

    def start(self) -> None: ...

    def join(self) -> None:
        self._control.close()
        os.close(self.sentinel)

    def terminate(self) -> None:
        self.ends()

    def ends(self) -> None:
        os.close(self._end)


class House:
    def __init__(self) -> None:
        self.now = 1000.0
        self.forked: list[Process] = []
        self.listening, self.far = socket.socketpair()
        self.server = Server(
            listening=self.listening,
            count=1,
            fresh=lambda: True,
            fork=self._fork,  # type: ignore[arg-type]
            clock=lambda: self.now,
            timing=Timing(rest=10.0),
        )

    def _fork(self, **given: Any) -> Process:
        self.forked.append(Process(**given))
        return self.forked[-1]

    def steps(self) -> None:
        for _ in range(4):
            self.server.step(0.0)

    def hand_over(self) -> Process:
        """A run, to the process that stands by."""
        (one,) = [one for one in self.server.workers if one.control is not None]
        self.server._hand_over(one, {"command": "{}"})
        return one.process  # type: ignore[return-value]


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    house.steps()
    assert len(house.forked) == 1
    yield house
    for one in house.server.workers:
        house.server._drop_control(one)
    house.server.end()
    house.listening.close()
    house.far.close()


def test_the_next_one_loads_when_the_run_has_ended(house: House) -> None:
    run = house.hand_over()
    house.now += 9
    house.steps()
    assert len(house.forked) == 1, "it takes the processors from the run"
    run.ends()
    house.steps()
    assert len(house.forked) == 2


def test_a_long_run_leaves_others_without_a_stand_by_for_a_while_only(house: House) -> None:
    house.hand_over()
    house.now += 10
    house.steps()
    assert len(house.forked) == 2


def test_while_one_of_two_runs_goes_on_the_next_one_waits(house: House) -> None:
    first = house.hand_over()
    house.now += 10
    house.steps()
    second = house.hand_over()
    first.ends()
    house.steps()
    assert len(house.forked) == 2
    second.ends()
    house.steps()
    assert len(house.forked) == 3


@pytest.mark.parametrize("gone", [True, False])
def test_a_process_that_was_named_to_a_run_takes_no_other(house: House, gone: bool) -> None:
    """The launcher named it in its run, and died, or was too slow. That run may never begin, and
    whoever ends it would end what its process does."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5.0 if gone else 0.0)
        wire.send(ours, {"run": "a", "command": "{}"})
        if gone:
            ours.shutdown(socket.SHUT_WR)
            house.server._offer(theirs)
        else:
            with pytest.raises(BlockingIOError):
                house.server._offer(theirs)
        assert wire.receive(ours) is not None
    (named,) = house.forked
    house.steps()
    assert house.hand_over() is not named


def test_the_end_of_a_run_does_not_shorten_the_pause_after_deaths(house: House) -> None:
    run = house.hand_over()
    house.now += 10
    house.steps()
    dead = house.forked[1]
    dead.exitcode = -9
    dead.ends()
    house.steps()
    run.ends()
    house.steps()
    assert len(house.forked) == 2
    house.now += 2
    house.steps()
    assert len(house.forked) == 3
