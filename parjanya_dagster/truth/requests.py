"""What callers ask of the work queue: rows to work on, and rows to be done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """The rows that a worker asks for, and the lease it asks for them under."""

    stage: str
    batches: Sequence[str]  # in the order in which they are taken
    limit: int  # rows at most
    owner: str  # who will hold the lease: a run, or an assignment
    lease: float  # seconds
    ahead: Sequence[str] = ()  # stages that its process does next, for the same batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The stage that rows are sent back to, and what their history says about it."""

    stage: str
    reason: str
    run_id: str = ""
    policy: str | None = None  # decides them; None: a regrade under way, or their tenant's pin
