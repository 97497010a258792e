"""The jail of decoder processes: no file, no network, no program, no other process.

Decoders read bytes that strangers sent. One that is taken over should reach nothing but the pipe to
its parent, which believes no more of it than `pool` checks. Nothing here can be undone, so it is
closed when everything is imported and before the first byte is read.

Where the kernel lacks a part of it, the others hold. Without any (macOS), the decoders have the
limits of memory and time alone, and the preflight and the doctor say so.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from . import landlock, seccomp

_PR_SET_NO_NEW_PRIVS: Final = 38
_MOST_WRITTEN: Final = 1 << 20  # bytes of messages to the log that the parent reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Jail:
    """What holds a decoder process."""

    privileges: bool = False  # it cannot gain any (no_new_privs)
    landlock: int = 0  # the version of the ABI; 0: none
    seccomp: bool = False

    @property
    def whole(self) -> bool:
        """Whether no file, network, program or other process can be reached."""
        return self.privileges and self.seccomp  # the filter alone denies what Landlock does

    def __str__(self) -> str:
        parts = [f"Landlock ({self.landlock})"] * bool(self.landlock) + ["seccomp"] * self.seccomp
        if self.whole:
            return f"no files, network, programs or other processes, by {' and '.join(parts)}"
        if self.landlock:
            return "no files, by Landlock alone: this kernel or container allows no seccomp filter"
        return "none: decoders have the rights of their worker, and limits of memory and time"


def offered() -> Jail:
    """What the kernel of this machine would hold decoders with. Changes nothing."""
    linux = sys.platform == "linux"
    return Jail(
        privileges=linux,
        landlock=landlock.version() if linux else 0,
        seccomp=linux and seccomp.offered(),
    )


def close() -> Jail:
    """Shut this process in, as far as the kernel can. Returns what holds it."""
    if sys.platform != "linux":
        return Jail()
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_WRITTEN, _MOST_WRITTEN))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return Jail()
    version, filtered = 0, False
    with suppress(OSError):
        version = landlock.restrict() if landlock.version() else 0
    with suppress(OSError):
        seccomp.restrict()
        filtered = True
    return Jail(privileges=True, landlock=version, seccomp=filtered)


def import_all() -> None:
    """Import what decoding would import when it first needs it: later there are no files."""
    import encodings.cp437
    import encodings.idna
    import encodings.utf_16  # noqa: F401
    from xml.etree import ElementTree

    import numpy.fft  # noqa: F401
    import pillow_heif  # noqa: F401
    import pyvips  # noqa: F401
    import rawpy  # noqa: F401
    from PIL import BmpImagePlugin, Image, TiffImagePlugin  # noqa: F401

    ElementTree.fromstring("<a/>")
    datetime.strptime("2024", "%Y").astimezone(UTC)  # imports at its first call
    Image.init()
    os.urandom(1)
