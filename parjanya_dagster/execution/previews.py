"""The previews that later stages look at: read once, decoded once, shared within a run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from parjanya_dagster.media.pixels import load_vips
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import ImageRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 1 << 30  # about 450 previews of 1024 x 768


class Previews:
    """Decoded previews by image id, the least recently used forgotten first. Thread-safe."""

    def __init__(self, objects: Objects, most_bytes: int = MOST_BYTES) -> None:
        self._objects = objects
        self._most = most_bytes
        self._held: OrderedDict[tuple[str, str], NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def held_first(self, rows: Sequence[ImageRow]) -> list[ImageRow]:
        """Rows in the order in which fewest of their previews are decoded again.

        Stages pass over the same rows in one order. Where more of them are passed over than are
        held, each preview would be forgotten a moment before it is needed. A pass between two
        stages begins with what was seen last, so it ends with what the next stage begins with.
        """
        with self._lock:
            seen = {address: place for place, address in enumerate(self._held)}
        return sorted(rows, key=lambda row: seen.get(_address(row), -1), reverse=True)

    def pixels(self, row: ImageRow) -> NDArray[np.uint8]:
        """Upright sRGB, shape (height, width, 3). Raises ObjectGone, StorageUnavailable."""
        address = _address(row)
        with self._lock:
            if address in self._held:
                self._held.move_to_end(address)
                return self._held[address]
        array = decode_jpeg(self._objects.get(*address).data)
        with self._lock:
            if address not in self._held:
                self._held[address] = array
                self._bytes += array.nbytes
            while self._bytes > self._most and len(self._held) > 1:
                _, old = self._held.popitem(last=False)
                self._bytes -= old.nbytes
        return array


def _address(row: ImageRow) -> tuple[str, str]:
    return row.preview_bucket or "", row.preview_key or ""


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode one of our own previews. Raises pyvips.Error where it is damaged."""
    import numpy

    # Its loader alone: a decoder that was taken over must not choose the next one.
    image = load_vips().Image.jpegload_buffer(data, access="sequential", fail_on="truncated")
    if image.bands == 1:
        image = image.colourspace("srgb")
    return numpy.asarray(image.numpy())
