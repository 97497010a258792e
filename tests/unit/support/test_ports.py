"""Ports for servers of tests: nobody else comes to listen on one before its server does."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.support.servers import free_port

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_the_kernel_gives_it_to_nobody_else() -> None:
    lowest = int(EPHEMERAL.read_text().split()[0])
    assert all(free_port() < lowest for _ in range(5))


def test_one_that_is_listened_on_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port := free_port()))
        taken.listen()
        assert port not in {free_port() for _ in range(120)}  # more than a process has


def test_another_process_has_others() -> None:
    mine = {free_port() for _ in range(120)}
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, " ".join(str(free_port()) for _ in range(120)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        others = {int(port) for port in said.read().split()}
    assert os.waitpid(child, 0)[1] == 0
    assert len(others) == 100
    assert not mine & others
