"""Spans over claimed images: how many, and whose."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TypedDict

from parjanya_dagster.traces import spans
from parjanya_dagster.traces.recorder import Value
from parjanya_dagster.truth.outcomes import Claim


class About(TypedDict):
    images: int
    tenants: list[str]


def about(claims: Sequence[Claim]) -> About:
    """What spans tell of claims."""
    return {"images": len(claims), "tenants": sorted({claim.row.tenant for claim in claims})}


def span_over(
    name: str, claims: Sequence[Claim], **more: Value
) -> AbstractContextManager[spans.Opened]:
    """A part of the stage that goes on here, over these claims."""
    if not spans.active():
        return spans.span(name)
    return spans.span(name, **about(claims), **more)
