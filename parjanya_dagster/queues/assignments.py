"""Intent as a message: which batches, at which stages of a lane. Identity, never location.

Pure. The worker reads from Truth where an object lies and which rows are due. So a message that is
late, repeated or forged asks for nothing that is not due.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from parjanya_dagster.errors import InvalidPartition, MessageUnreadable
from parjanya_dagster.truth.models import parse_batch
from parjanya_dagster.truth.stages import STAGES

VERSION = 1
MOST_BATCHES = 1000


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one message asks of one worker."""

    id: str  # leases, heartbeats and events name it, as they name a run
    lane: str
    stages: tuple[str, ...]
    batches: tuple[str, ...]
    regrade: bool = False
    along: int = 0  # most rows that it takes at a stage that only goes along with the lane's own

    def as_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "id": self.id,
            "lane": self.lane,
            "stages": list(self.stages),
            "batches": list(self.batches),
            "regrade": self.regrade,
            "along": self.along,
        }

    def body(self) -> str:
        return json.dumps(self.as_dict())


def read(document: Any) -> Assignment:
    """Parse what `as_dict` gave, whoever sent it. Raises MessageUnreadable."""
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise MessageUnreadable(f"It is no assignment of version {VERSION}.")
    assignment_id, lane = document.get("id"), document.get("lane")
    if not (
        isinstance(assignment_id, str) and 0 < len(assignment_id) <= 500 and isinstance(lane, str)
    ):
        raise MessageUnreadable("It names no id or no lane.")
    stages, batches = _texts(document.get("stages")), _texts(document.get("batches"))
    if not stages or not set(stages) <= set(STAGES):
        raise MessageUnreadable(f"Its stages are not among {', '.join(STAGES)}.")
    if not 0 < len(batches) <= MOST_BATCHES:
        raise MessageUnreadable(f"It names {len(batches)} batches.")
    try:
        for batch in batches:
            parse_batch(batch)
    except InvalidPartition as error:
        raise MessageUnreadable(str(error)) from None
    along = document.get("along", 0)  # the release before names none
    if type(along) is not int or along < 0:
        raise MessageUnreadable("What it says of rows that go along is no number of them.")
    return Assignment(assignment_id, lane, stages, batches, document.get("regrade") is True, along)


def read_body(body: str) -> Assignment:
    """Parse the body of a message. Raises MessageUnreadable."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise MessageUnreadable("It is no JSON.") from None
    return read(document)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return ()
    return tuple(value)
