"""Numbers out of bytes that nobody vouches for."""

from __future__ import annotations

import struct
from typing import Any


def unpack_from(code: str, data: bytes, at: int) -> tuple[Any, ...]:
    """As `struct.unpack_from`. Raises struct.error for any place that is not in the data.

    That of the standard library raises OverflowError for places beyond 2**63, which a file may
    name, and counts negative ones from the end.
    """
    if not 0 <= at <= len(data):
        raise struct.error("beyond the end")
    return struct.unpack_from(code, data, at)


def byte_at(data: bytes, at: int) -> int:
    """Raises struct.error where there is none."""
    return int(unpack_from("B", data, at)[0])
