"""Decoders in processes of their own, so that a crash or a hang costs one image and not the run.

Children are reused. Each has a deadline per image and a memory limit. A child that dies takes one
image with it and is replaced before the next. No child outlives its parent, however the parent
ends.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from types import TracebackType
from typing import Any, Final, TypeVar

from .child import Child, ChildDied, DeadlinePassed
from .errors import FAILURE_CLASSES, MediaError, Rejected
from .jail import Jail
from .limits import Limits
from .validation import Validated

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_ENTRY: Final = "parjanya_dagster.media.validation:validate"


class DecoderPool:
    """`workers` decoder processes, started when first needed.

    `deadline_s` is meant for one image on a core of its own: a child that has had less than half
    of it in CPU time, because the machine is busy, is given up to four times as long on the clock.
    `memory_bytes` is what one child may add to what its libraries need. Safe to use from threads.
    `jailed` takes every right from them that the kernel lets them give up: see `jail`.
    `entry` names the function the children call, as module:function.
    """

    def __init__(
        self,
        workers: int = 2,
        deadline_s: float = 30.0,
        memory_bytes: int = 2 * 1024**3,
        *,
        images_per_child: int = 1000,
        entry: str = DEFAULT_ENTRY,
        jailed: bool = True,
    ) -> None:
        if workers < 1 or deadline_s <= 0:
            raise ValueError("a pool needs workers ≥ 1 and deadline_s > 0")
        self._deadline_s = deadline_s
        self._memory_bytes = memory_bytes
        self._images_per_child = images_per_child
        self._entry = entry
        self._jailed = jailed
        self._seats: queue.LifoQueue[Child | None] = queue.LifoQueue()
        for _ in range(workers):
            self._seats.put(None)
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decoder-pool")
        self._live: set[Child] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._peak = 0
        self.jail: Jail | None = None
        """What holds the child that was started last. None: none was started yet."""

    @property
    def started(self) -> bool:
        """Whether there are children. They are started with the first image."""
        return bool(self._live) and not self._closed

    @property
    def peak_memory_bytes(self) -> int:
        """The most resident memory any child has had after an answer; 0 where unknown."""
        return self._peak

    def validate(
        self,
        data: bytes,
        limits: Limits | None = None,
        *,
        coordinates: bool = False,
        sidecars: Mapping[str, bytes] | None = None,
    ) -> Validated:
        """`media.validate` in a child. Raises Rejected, as that does and for what befell the child.

        MediaError means that no child could be run: the image is not at fault.
        """
        limits = limits or Limits()
        limits.check_bytes(len(data))  # not even sent
        names = [*(sidecars or {})]
        header = {"limits": asdict(limits), "coordinates": coordinates, "sidecars": names}
        blobs = [data, *(sidecars or {}).values()]
        # A kill from outside, as by a kernel short of memory, says little about the image.
        for last in (False, True):
            try:
                return _result(*self.exchange(header, blobs))
            except DeadlinePassed as error:
                raise Rejected(
                    "time_limit",
                    f"Decoding did not end within {self._deadline_s:g} seconds.",
                ) from error
            except ChildDied as death:
                if death.killed_from_outside and not last:
                    continue
                if death.out_of_memory:
                    raise Rejected(
                        "memory_limit",
                        "Decoding the image needs more memory than one image is given "
                        "(PARJANYA_MEDIA__DECODE_MEMORY_MIB).",
                    ) from death
                raise Rejected(
                    "decoder_crashed", f"The decoder crashed on this image ({death})."
                ) from death
        raise AssertionError("unreachable")

    def validate_many(
        self, datas: Iterable[bytes], limits: Limits | None = None, *, coordinates: bool = False
    ) -> list[Validated | Rejected]:
        """One outcome per image, in order; a refusal is a value here. Raises MediaError only."""

        def outcome(data: bytes) -> Validated | Rejected:
            try:
                return self.validate(data, limits, coordinates=coordinates)
            except Rejected as refused:
                return refused

        return self.map(outcome, datas)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`work` of each item, in order, on as many threads as there may be children."""
        return list(self._threads.map(work, items))

    def start(self) -> None:
        """Start every child that is not there. Raises MediaError."""
        seats = [self._seats.get() for _ in range(self._workers)]
        starts = [self._threads.submit(self._started) for seat in seats if seat is None]
        children = [seat for seat in seats if seat is not None]
        try:
            children += [start.result() for start in starts]
        finally:
            for index in range(self._workers):
                self._seats.put(children[index] if index < len(children) else None)

    def close(self) -> None:
        """End every child. Images in work fail with MediaError. Idempotent."""
        with self._lock:
            self._closed = True
            for child in self._live:
                child.end()
        # Whoever was waiting for a child sees its end, and gives its seat back.
        self._threads.shutdown(wait=True, cancel_futures=True)
        for _ in range(self._workers):
            seat = self._seats.get()
            if seat is not None:
                seat.dispose()
        for _ in range(self._workers):
            self._seats.put(None)

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def exchange(
        self, header: dict[str, Any], blobs: Sequence[bytes]
    ) -> tuple[dict[str, Any], list[bytes]]:
        """What a child answers, which nobody has checked. Raises ChildDied, DeadlinePassed, and
        MediaError where there is no child."""
        child = self._seats.get()
        reusable = None
        try:
            if child is None:
                child = self._started()
            reply = child.exchange(header, blobs, self._deadline_s)
            self._peak = max(self._peak, child.peak_memory_bytes())
            if child.images < self._images_per_child:
                reusable = child
            return reply
        except ChildDied:
            if self._closed:
                raise MediaError("the decoder pool was closed") from None
            raise
        finally:
            if child is not None and reusable is None:
                self._dispose(child)
            self._seats.put(reusable)

    def _started(self) -> Child:
        alarm_seconds = int(4 * self._deadline_s) + 10
        with self._lock:  # so that close() sees every child there is
            if self._closed:
                raise MediaError("the decoder pool is closed")
            child = Child(self._entry, self._memory_bytes, alarm_seconds, self._jailed)
            self._live.add(child)
        try:
            self.jail = child.wait_until_ready()
        except ChildDied as death:
            self._dispose(child)
            raise MediaError(f"no decoder process could be started: {death}") from death
        return child

    def _dispose(self, child: Child) -> None:
        with self._lock:
            self._live.discard(child)
        child.dispose()


def _result(header: dict[str, Any], blobs: list[bytes]) -> Validated:
    """What a child answered. Trusts nothing that it says beyond what is checked here."""
    if "body" in header and isinstance(header["body"], dict) and len(blobs) == 2:
        return Validated(header["body"], *blobs)
    if header.get("rejected") in FAILURE_CLASSES:
        raise Rejected(header["rejected"], str(header.get("reason"))[:500])
    # An exception that nobody foresaw. The same bytes would raise it again.
    raise Rejected(
        "decoder_crashed", f"The decoder failed on this image ({str(header.get('error'))[:300]})."
    )
