"""A server is started once for all processes of a session, and is stopped by one of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest

from tests.support import shared

EVENTS: list[str] = []


@dataclass
class Fake:
    """Notes what is done to it, and by whom: a real one ends with the thread that started it."""

    thread: int = field(default=0, init=False)
    port: int = field(default=0, init=False)

    def start(self) -> None:
        self.thread, self.port = get_ident(), 4711
        EVENTS.append("started")

    def remove(self) -> None:
        EVENTS.append("removed" if self.thread == get_ident() else "removed by another thread")


class Broken(Fake):
    def start(self) -> None:
        raise RuntimeError("no free port")


class Worker:
    """The part of a configuration that tells a worker of xdist who lends."""

    def __init__(self, lender: shared.Lender | None) -> None:
        if lender is not None:
            self.workerinput = {shared._ADDRESS: lender.address}


def lent(lender: shared.Lender | None, kind: type[Fake] = Fake) -> Iterator[Any]:
    return shared.lent(Worker(lender), kind)  # type: ignore[arg-type]


@pytest.fixture
def lender() -> Iterator[shared.Lender]:
    EVENTS.clear()
    lender = shared.Lender()
    yield lender
    lender.close()


def test_all_who_ask_get_the_same_server_and_none_of_them_stops_it(lender: shared.Lender) -> None:
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: next(lent(lender)), range(4)))
    assert {one.port for one in given} == {4711}
    for one in given:
        assert list(lent(lender)) == [one]  # and its fixture ends
    assert EVENTS == ["started"]
    lender.close()
    assert EVENTS == ["started", "removed"]


def test_a_server_that_does_not_start_is_told_to_each_who_asks(lender: shared.Lender) -> None:
    for _ in range(2):
        with pytest.raises(pytest.fail.Exception, match=r"Broken did not start[\s\S]*no free port"):
            next(lent(lender, Broken))
    assert EVENTS == ["removed by another thread"]  # it never had one of its own


def test_without_workers_the_fixture_starts_and_stops_it() -> None:
    EVENTS.clear()
    assert [one.port for one in lent(None)] == [4711]
    assert EVENTS == ["started", "removed"]


def test_who_lends_leaves_no_socket(lender: shared.Lender) -> None:
    next(lent(lender))
    assert Path(lender.address).exists()
    lender.close()
    assert not Path(lender.address).parent.exists()
