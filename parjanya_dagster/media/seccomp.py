"""A filter of system calls for decoder processes: what may be called, by number and architecture.

A list of what is allowed, since a list of what is not is never whole. What a decoder needs is
memory, threads, time, and the pipes that it has already. There is no name of a file, no socket, no
new program and no other process in it. Everything else fails with EPERM, so that a library that
tries something needless goes on. See seccomp(2) and the kernel's `seccomp_filter`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator, Mapping
from typing import Final

# x86-64 and 64-bit ARM: their numbers in the kernel's tables. None: there is no such call.
_ALLOWED: Final[Mapping[str, tuple[int | None, int | None]]] = {
    # what is open already: the pipes to the parent
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "close": (3, 57),
    "fstat": (5, 80), "lseek": (8, 62), "poll": (7, None), "ppoll": (271, 73),
    "select": (23, None), "pselect6": (270, 72),
    # memory
    "munmap": (11, 215), "mremap": (25, 216), "brk": (12, 214), "madvise": (28, 233),
    "mincore": (27, 232),
    # threads and signals of this process
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "membarrier": (324, 283),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "getcpu": (309, 168), "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
    # time
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153),
    "alarm": (37, None), "setitimer": (38, 103),
    # what it is
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "uname": (63, 160),
    "getrusage": (98, 165), "sysinfo": (99, 179), "getrandom": (318, 278),
}  # fmt: skip
_MAPPING = {"mmap": (9, 222), "mprotect": (10, 226)}  # memory, unless it is to be executed
_SIGNALLING = {"kill": (62, 129), "tgkill": (234, 131)}  # this process alone, as abort() does
_CLONE, _CLONE3 = (56, 220), (435, 435)  # threads alone; the newer one hides its flags

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_PROT_EXEC, _CLONE_THREAD = 4, 0x00010000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # instructions of classic BPF
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # places in struct seccomp_data
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_SECCOMP = {"x86_64": 317, "aarch64": 277}  # seccomp(2)
_SET_MODE_FILTER, _GET_ACTION_AVAIL, _ALL_THREADS = 1, 2, 1


def offered() -> bool:
    """Whether this kernel filters calls, and this module knows its architecture."""
    number = _SECCOMP.get(platform.machine()) if os.uname().sysname == "Linux" else None
    if number is None:
        return False
    action = ctypes.c_uint32(_ERRNO)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(number, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def restrict() -> None:
    """Set the filter for all threads of this process, for good. Raises OSError."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES or os.uname().sysname != "Linux":
        raise OSError(errno.ENOSYS, f"no filter is written for {machine}")
    program = b"".join(_program(machine, os.getpid()))
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, header)
    if result != 0:  # above 0: the id of a thread that has another filter
        number = ctypes.get_errno() if result < 0 else errno.EBUSY
        raise OSError(number, os.strerror(number))


def _program(machine: str, pid: int) -> Iterator[bytes]:
    architecture, at = _ARCHITECTURES[machine]
    yield _step(_LOAD, _ARCHITECTURE)
    yield _step(_EQUAL, architecture, no=0, yes=1)
    yield _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER)
    for numbers in _ALLOWED.values():
        if (number := numbers[at]) is not None:
            yield _step(_EQUAL, number, yes=0, no=1)
            yield _step(_RETURN, _ALLOW)
    for numbers in _MAPPING.values():
        yield from _by_argument(numbers[at], 2, _ANY_BIT, _PROT_EXEC, yes=_EPERM, no=_ALLOW)
    for numbers in _SIGNALLING.values():
        yield from _by_argument(numbers[at], 0, _EQUAL, pid, yes=_ALLOW, no=_EPERM)
    yield from _by_argument(_CLONE[at], 0, _ANY_BIT, _CLONE_THREAD, yes=_ALLOW, no=_EPERM)
    yield _step(_EQUAL, _CLONE3[at], yes=0, no=1)
    yield _step(_RETURN, _ERRNO | errno.ENOSYS)  # then the C library uses the older one
    yield _step(_RETURN, _EPERM)


_EPERM: Final = _ERRNO | errno.EPERM


def _by_argument(
    number: int, argument: int, test: int, value: int, *, yes: int, no: int
) -> Iterator[bytes]:
    """Decide about a call by the lower half of one of its arguments."""
    yield _step(_EQUAL, number, yes=0, no=4)
    yield _step(_LOAD, _ARGUMENTS + 8 * argument)
    yield _step(test, value, yes=0, no=1)
    yield _step(_RETURN, yes)
    yield _step(_RETURN, no)


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """A struct sock_filter. `yes`, `no`: how many steps are passed over."""
    return struct.pack("HBBI", code, yes, no, value)
