"""Names that settings had before they were grouped. They are read in this release only.

The next release removes this module, what `given.py` asks of it, and the old name that
`lanes/placement.py` tells pods.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

RENAMED = {
    f"PARJANYA_{old}": f"PARJANYA_{new}"
    for old, new in {
        "TRUTH_URL": "TRUTH__URL",
        "OBJECTS_URL": "OBJECTS__URL",
        "SETTLE": "ARRIVALS__SETTLE",
        "BATCH_SIZE": "ARRIVALS__BATCH_SIZE",
        "SWEEP_SECONDS": "ARRIVALS__SWEEP_SECONDS",
        "ARRIVALS_QUEUE": "ARRIVALS__QUEUE",
        "DEAD_LETTERS": "ARRIVALS__DEAD_LETTERS",
        "LONGEST_DORMANCY_HOURS": "ARRIVALS__LONGEST_DORMANCY_HOURS",
        "NEW_TENANTS_POLICY": "TENANTS__POLICY",
        "TENANT_BUCKETS": "TENANTS__BUCKETS",
        "UPLOAD_SECONDS": "UPLOADS__SECONDS",
        "UPLOAD_ORIGINS": "UPLOADS__ORIGINS",
        "LANES": "LANES__LAYOUT",
        "LAUNCHER": "LANES__LAUNCHER",
        "GROUP_MOST": "SCALING__MAX_INSTANCES",
        "GROUP_IDLE": "SCALING__IDLE",
        "RUN_ROWS": "RUNS__ROWS",
        "RUN_SECONDS": "RUNS__SECONDS",
        "QUEUED_RUNS": "RUNS__QUEUED",
        "LEASE": "RUNS__LEASE",
        "LAUNCH_DEADLINE": "RUNS__LAUNCH_DEADLINE",
        "START_DEADLINE": "RUNS__START_DEADLINE",
        "RUN_SILENCE": "RUNS__SILENCE",
        "RUN_STALL": "RUNS__STALL",
        "RETRY_HORIZON_HOURS": "RUNS__RETRY_HORIZON_HOURS",
        "IMAGE": "IDENTITY__IMAGE",
        "HOLD_DRIFTED": "IDENTITY__HOLD_DRIFTED",
        "WORKERS": "MEDIA__WORKERS",
        "DECODE_DEADLINE": "MEDIA__DECODE_DEADLINE",
        "DECODE_MEMORY_MIB": "MEDIA__DECODE_MEMORY_MIB",
        "MAX_IMAGE_BYTES": "MEDIA__MAX_BYTES",
        "MAX_IMAGE_PIXELS": "MEDIA__MAX_PIXELS",
        "COORDINATES": "MEDIA__COORDINATES",
        "ENRICHER": "ENGINES__ENRICHER",
        "SCORER": "ENGINES__SCORER",
        "DEVICE": "ENGINES__DEVICE",
        "GPU_MEMORY_GIB": "ENGINES__GPU_MEMORY_GIB",
        "MODEL": "VLM__MODEL",
        "MODEL_REVISION": "VLM__REVISION",
        "PROMPT": "VLM__PROMPT",
        "DESCRIBE": "VLM__DESCRIBE",
        "VISUAL_TOKENS": "VLM__VISUAL_TOKENS",
        "BATCH_TOKENS": "VLM__BATCH_TOKENS",
        "CALIBRATION": "VLM__CALIBRATION",
        "ENDPOINT": "ENDPOINT__URL",
        "ENDPOINT_KEY": "ENDPOINT__KEY",
        "ENDPOINT_CONNECTIONS": "ENDPOINT__CONNECTIONS",
        "ENDPOINT_TIMEOUT": "ENDPOINT__TIMEOUT",
        "IQA_WEIGHTS": "IQA__WEIGHTS",
        "IQA_METRICS": "IQA__METRICS",
        "RETAIN_RUNS_DAYS": "RETENTION__RUNS_DAYS",
        "RETAIN_KEYS_DAYS": "RETENTION__KEYS_DAYS",
        "LOG_FORMAT": "LOGS__FORMAT",
        "LOG_FILE_NAMES": "LOGS__FILE_NAMES",
    }.items()
}

CONSTANT = frozenset(
    {"PARJANYA_MICRO_BATCH_ROWS", "PARJANYA_MICRO_BATCH_SECONDS", "PARJANYA_MAX_ATTEMPTS"}
)
"""Settings that nobody should change. They are constants of the code now."""


def _placement(text: str) -> dict[str, str]:
    """`{"gpu": {"memory_mib": 60000}}`."""
    by_lane: Any = json.loads(text)
    return {
        f"PARJANYA_LANES__{lane}__{name}".upper(): str(value)
        for lane, wishes in by_lane.items()
        for name, value in wishes.items()
        if value is not None
    }


def _by_lane(name: str) -> Callable[[str], dict[str, str]]:
    """`gpu=NAME,cpu=NAME`."""

    def read(text: str) -> dict[str, str]:
        values: dict[str, str] = {}
        for part in filter(None, (item.strip() for item in text.split(","))):
            lane, equals, value = (piece.strip() for piece in part.partition("="))
            new = f"PARJANYA_LANES__{lane}__{name}".upper()
            if not (lane and equals and value) or new in values:
                raise ValueError(text)
            values[new] = value
        return values

    return read


BY_LANE: dict[str, tuple[str, str, Callable[[str], dict[str, str]]]] = {
    "PARJANYA_PLACEMENT": (
        "PARJANYA_LANES__<LANE>__<NAME>",
        'JSON by lane, such as {"gpu": {"memory_mib": 60000}}',
        _placement,
    ),
    "PARJANYA_LANE_QUEUES": (
        "PARJANYA_LANES__<LANE>__QUEUE",
        "lane=name,lane=name",
        _by_lane("QUEUE"),
    ),
    "PARJANYA_LANE_GROUPS": (
        "PARJANYA_LANES__<LANE>__SCALING_GROUP",
        "lane=name,lane=name",
        _by_lane("SCALING_GROUP"),
    ),
}
"""Old name -> its new name, the form of its value, and what makes new variables of the value."""

NEW_NAMES = RENAMED | {old: new for old, (new, _, _) in BY_LANE.items()}


def answer(name: str, value: str) -> dict[str, str] | None:
    """The variables that an old name stands for. None: it is no old name.

    Raises ValueError, without the value, if the value is malformed.
    """
    if name in CONSTANT:
        return {}
    if name in RENAMED:
        return {RENAMED[name]: value}
    if name not in BY_LANE:
        return None
    _, form, read = BY_LANE[name]
    try:
        return read(value) if value.strip() else {}
    except (ValueError, AttributeError):
        raise ValueError(f"{name} does not read {form}") from None


def notice(name: str) -> str:
    """The message for somebody who uses an old name."""
    if name in CONSTANT:
        return f"{name} is no setting any more, and is ignored: it is a constant now."
    return f"{name} is called {NEW_NAMES[name]} now. The next release does not read the old name."
