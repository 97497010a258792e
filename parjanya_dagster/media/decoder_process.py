"""The child of a `DecoderPool`: reads images from its standard input, answers on its output.

It also compares pictures: see `comparing`.

Runs native decoders on bytes that strangers sent, so it expects to die: by a crash, by its memory
limit, or by the parent's hand. It never outlives its parent. Before the first image it shuts itself
in (see `jail`), so that one that is taken over reaches nothing. See `wire` for the messages.

    python -P -m parjanya_dagster.media.decoder_process ENTRY MEMORY_BYTES ALARM_SECONDS JAILED
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from . import jail, wire
from .errors import Rejected
from .limits import Limits
from .resemblance import first_alike


def main(entry: str, memory_bytes: int, alarm_seconds: int, jailed: bool) -> None:
    replies = _private_output()
    # Ctrl-C in a terminal reaches the whole group; the parent decides when children end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = _load(entry)
    _limit_memory(memory_bytes)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    held = jail.close() if jailed else jail.Jail()
    wire.send(replies, {"ready": True, "jail": asdict(held)})
    while True:
        request = wire.receive(sys.stdin.buffer)
        if request is None:
            return
        header, request_blobs = request
        # The kernel ends a decode that a dead or stopped parent can no longer end.
        signal.alarm(alarm_seconds)
        answer, blobs = _answer(work, request_blobs, header)
        signal.alarm(0)
        wire.send(replies, answer, *blobs)


def _answer(
    work: Callable[..., Any], blobs: list[bytes], header: dict[str, Any]
) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    if "compare" in header:
        try:
            return {"found": [first_alike(*each) for each in header["compare"]]}, ()
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}, ()
    data, *others = blobs
    sidecars = dict(zip(header.get("sidecars", ()), others, strict=True))
    more = {"sidecars": sidecars} if sidecars else {}
    try:
        result = work(data, Limits(**header["limits"]), coordinates=header["coordinates"], **more)
    except Rejected as refused:
        return {"rejected": refused.failure_class, "reason": refused.reason}, ()
    except MemoryError:
        return {
            "rejected": "memory_limit",
            "reason": "Decoding the image needs more memory than one image is given "
            "(PARJANYA_MEDIA__DECODE_MEMORY_MIB).",
        }, ()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}, ()
    return {"body": result.body}, (result.preview, result.thumbnail)


def _private_output() -> int:
    """The pipe to the parent, out of reach of libraries that print to standard output."""
    replies = os.dup(1)
    os.dup2(2, 1)
    return replies


def _load(entry: str) -> Callable[..., Any]:
    """Import the work, and run the real one once, so that later limits do not count imports."""
    module, name = entry.split(":")
    work: Callable[..., Any] = getattr(importlib.import_module(module), name)
    jail.import_all()
    if module.startswith("parjanya_dagster.media."):
        work(_SMALLEST_GIF, Limits())
    return work


_SMALLEST_GIF = b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def _limit_memory(memory_bytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and memory_bytes:
        with open("/proc/self/statm") as statm:
            now = int(statm.read().split()[0]) * resource.getpagesize()
        limit = now + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _die_with_parent() -> None:
    """End at once when the parent's end of the pipe is closed, even in the middle of a decode."""
    poll = select.poll()
    poll.register(0, 0)  # no events asked for: a hang-up is always reported
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "jailed")
