"""One server of each kind for a whole session, also where several processes share its tests.

The process that reports starts a server when the first worker of xdist asks for it, and stops it
when all workers are done. A worker gets a copy of the server's handle by a socket: it may use the
server, make databases, buckets and accounts of its own names there, and cannot stop it. Without
workers the fixture starts and stops the server itself.
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Protocol

import pytest

_ADDRESS = "parjanya_shared_servers"


class Server(Protocol):
    """Pickled without its processes: who unpickles it cannot end them."""

    def start(self) -> None: ...

    def remove(self) -> None: ...


class Lender:
    """Starts servers when they are asked for, and lends them to other processes."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="parjanya-lender-")
        self.address = str(Path(self._folder.name) / "socket")
        self._listener = Listener(self.address, "AF_UNIX", backlog=64)
        # A server ends with the thread that started it, so each kind has one that stays.
        self._threads: dict[type[Server], ThreadPoolExecutor] = {}
        self._lent: dict[type[Server], Future[Server]] = {}
        self._lock = Lock()
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop every server that was started."""
        self._listener.close()
        with self._lock:
            while self._lent:
                kind, lent = self._lent.popitem()
                if not lent.exception():
                    self._threads[kind].submit(lent.result().remove).result()
                self._threads[kind].shutdown()
        self._folder.cleanup()

    def _serve(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                Thread(target=self._lend, args=[self._listener.accept()], daemon=True).start()

    def _lend(self, asking: Connection[Any, Any]) -> None:
        with asking, suppress(EOFError, OSError):
            kind: type[Server] = asking.recv()
            with self._lock:
                if kind not in self._lent:
                    self._threads[kind] = ThreadPoolExecutor(1)
                    self._lent[kind] = self._threads[kind].submit(_started, kind)
                lent = self._lent[kind]
            error = lent.exception()
            said = "".join(traceback.format_exception(error)) if error else lent.result()
            asking.send(said)


def _started(kind: Callable[[], Server]) -> Server:
    server = kind()
    try:
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


def lent(config: pytest.Config, kind: type[Server]) -> Iterator[Any]:
    """A running server of this kind, for a fixture of a session to yield."""
    if (server := borrowed(config, kind)) is not None:
        yield server
        return
    server = _started(kind)
    try:
        yield server
    finally:
        server.remove()


def borrowed(config: pytest.Config, kind: type[Server]) -> Any:
    """A running server that this process need not stop. None where there are no workers."""
    address = getattr(config, "workerinput", {}).get(_ADDRESS)
    if address is None:
        return None
    with Client(address, "AF_UNIX") as lender:
        lender.send(kind)
        said = lender.recv()
    if isinstance(said, str):
        pytest.fail(f"{kind.__name__} did not start:\n{said}")
    return said


class _Sharing:
    """In the process that reports, where it has workers."""

    lender: Lender | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        if self.lender is None:
            self.lender = Lender()
        node.workerinput[_ADDRESS] = self.lender.address

    def pytest_unconfigure(self) -> None:
        if self.lender is not None:
            self.lender.close()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Sharing())
