"""The fingerprint of evidence: a hash of everything that can change the answer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def fingerprint(**parts: Any) -> str:
    """32 hex digits over the canonical JSON of the parts."""
    return hashlib.sha256(_canonical(parts).encode()).hexdigest()[:32]
