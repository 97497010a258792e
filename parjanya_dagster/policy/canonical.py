"""One spelling for each value, so that equal content has equal bytes and an equal hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only. Raises ValueError on NaN and infinities."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def content_hash(value: Any) -> str:
    """``sha256:<hex>`` over the canonical JSON of the value."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()
