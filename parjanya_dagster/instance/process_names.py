"""What lists of processes call this process.

A fork is called what the process was called that it was forked from, until it says otherwise.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

SHORT = 15  # bytes of a short name, which the kernel keeps


def set_short_name(name: str) -> None:
    """As `top` and `ps -e` show it."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name[:SHORT])


def set_command_line(text: str) -> None:
    """As `ps -f` shows it. What is longer than the command line of the start is cut.

    The kernel shows the memory in which it put the arguments. Python has copied them.
    """
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[45]), int(fields[46])  # `arg_start`, `arg_end` of proc_pid_stat(5)
        if 0 < begin < end:
            room = end - begin
            ctypes.memmove(begin, text.encode()[: room - 1].ljust(room, b"\0"), room)
