"""No file, no network and no other process for decoder processes, by Landlock of Linux.

The kernel's own API through ctypes: see landlock(7). A set of rules that allows nothing denies
everything that it handles. What a kernel can handle grows with its version of the ABI.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same numbers on every architecture
_VERSION = 1

# How many rights to files there are by version: 13, then refer, truncate, ioctl on devices.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK: Final = 0b11  # from version 4: bind and connect by TCP
_SCOPES: Final = 0b11  # from version 6: abstract sockets, and signals to processes outside


def version() -> int:
    """The version of the ABI that this kernel has. 0: none, or it is switched off."""
    if os.uname().sysname != "Linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, 0, _VERSION)))


def restrict() -> int:
    """Deny all that can be denied, to this thread and those that it will start, for good.

    Returns the version. Raises OSError. Needs PR_SET_NO_NEW_PRIVS.
    """
    known = version()
    files = (1 << _FILE_RIGHTS[min(known, max(_FILE_RIGHTS))]) - 1 if known else 0
    handled = [files]
    if known >= 4:
        handled.append(_NETWORK)
    if known >= 6:
        handled.append(_SCOPES)
    rules = struct.pack(f"{len(handled)}Q", *handled)
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if handle < 0:
        raise _error()
    try:
        if libc.syscall(_RESTRICT_SELF, handle, 0) != 0:
            raise _error()
    finally:
        os.close(handle)
    return known


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
