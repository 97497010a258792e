"""What a launcher and the server of stand-bys say to each other: lines of JSON over a socket.

The launcher offers a run; the server answers with the process that will take it, or says no. The
run begins only once the launcher has said "go", so an answer that is lost starts nothing.
Then the server says that it has begun.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

SOCKET_NAME = "standby.sock"
MOST_BYTES = 4 << 20  # of one line
AVAILABLE = sys.platform == "linux"
"""Whether stand-bys exist here. Elsewhere, a fork of what has loaded native libraries is unsafe."""
T = TypeVar("T")


def listen(path: Path) -> socket.socket:
    """A socket at this path that only this user can reach. What another server left is removed."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(FileNotFoundError):
        path.unlink()
    mask = os.umask(0o177)
    try:
        _by_folder(path, listening.bind)
    finally:
        os.umask(mask)
    listening.listen(16)
    return listening


def connect(path: Path, timeout: float) -> socket.socket:
    """Raises OSError where nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        _by_folder(path, connection.connect)
    except BaseException:
        connection.close()
        raise
    return connection


def _by_folder(path: Path, call: Callable[[str], T]) -> T:
    """The address of a socket has at most 107 bytes; a home may lie deeper than that."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return call(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message. None where the other side has closed, or says what is no message.

    Raises OSError, TimeoutError among them.
    """
    received = bytearray()
    while not received.endswith(b"\n"):
        part = connection.recv(1 << 16)
        if not part or len(received) > MOST_BYTES:
            return None
        received += part
    try:
        message = json.loads(received)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
