"""What a child of the pool does in tests: whatever the bytes tell it to, the worst included.

It stands in for native decoders, whose crashes cannot be ordered.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from parjanya_dagster.media import Limits, Rejected, Validated


def work(data: bytes, limits: Limits, *, coordinates: bool = False) -> Validated:
    order, _, rest = data.decode().partition(":")
    match order:
        case "abort":
            os.abort()
        case "segfault":
            ctypes.string_at(0)
        case "hang":
            time.sleep(3600)
        case "spin":
            while True:
                pass
        case "eat":
            bytearray(int(rest))
        case "eat natively":
            sys.stderr.write("GLib-ERROR **: gmem.c: failed to allocate 99 bytes\n")
            sys.stderr.flush()
            os.abort()
        case "killed once":
            if not Path(rest).exists():
                Path(rest).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "chatter":
            os.write(1, b"libsomething: warning: I print to standard output\n" * 100)
        case "lie":
            return Validated({"value": float("nan")}, b"", b"")
        case "surprise":
            raise KeyError("nobody foresaw this")
        case "refuse":
            raise Rejected("corrupt", "As told.")
    return Validated({"said": rest, "pid": os.getpid(), "pixels": limits.max_pixels}, b"p", b"t")
