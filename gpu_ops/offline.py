"""Code in this block may not open a connection, whatever library it calls.

Libraries of models download what they do not find. Where everything must be there already, a
download is a silent change of the answer, so it is refused, and says what it wanted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"})
_AF_UNIX = 1


class _Trap(threading.local):
    """The message for a connection that this thread opens. None: it may open one."""

    why: str | None = None


_trap = _Trap()
_installed = threading.Lock()
_hooked = False


class WouldDownload(RuntimeError):
    """A library wanted to reach the network where everything must be on disk already."""


@contextmanager
def offline(why: str) -> Iterator[None]:
    """Refuse every connection that this thread opens inside the block. The error says `why`.

    Other threads are not concerned: they may be talking to a database.
    """
    _install()
    before = _trap.why
    _trap.why = why
    try:
        yield
    finally:
        _trap.why = before


def _install() -> None:
    """Once per process: an audit hook cannot be taken out again."""
    global _hooked
    with _installed:
        if not _hooked:
            sys.addaudithook(_audit)
            _hooked = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _EVENTS is None or event not in _EVENTS or _trap.why is None:
        return  # the interpreter clears this module before it ends
    target: Any = arguments[0]
    if event == "socket.connect":
        if arguments[0].family == _AF_UNIX:
            return
        target = arguments[1]
    raise WouldDownload(f"{_trap.why} A library wanted to reach {target!r} instead.")
