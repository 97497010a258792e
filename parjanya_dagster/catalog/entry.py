"""An image as the catalog has it: from a row of Truth and its evidence. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parjanya_dagster.catalog.words import words
from parjanya_dagster.objects.keys import INCOMING
from parjanya_dagster.truth.models import PRESENT, Evidence, ImageRow, parse_batch
from parjanya_dagster.truth.stages import Status

MOST_WORDS = 400  # of one image are searched
MOST_NAME = 300  # characters
_NUMBERS = re.compile(r"\b[0-9a-f]{24}\b|\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image of the catalog."""

    image_id: str
    batch: str
    stamp: str  # changes whenever anything here may have changed
    present: bool
    settled: bool  # decided or failed; another changes without its batch being marked
    facets: tuple[tuple[str, ...], ...]  # the values of each facet, in the order of FACETS
    sorts: tuple[float, ...]  # in the order of SORTS; NaN: unknown, and last in any order
    words: frozenset[str]
    shown: Mapping[str, Any]  # what a tile of the grid shows


def stamp_of(row: ImageRow) -> str:
    found = ",".join(row.evidence[stage][:12] for stage in sorted(row.evidence))
    return (
        f"{row.updated_at!r} {row.pipeline_status} {row.object_state} {row.fence} "
        f"{row.reviews} {found}"
    )


def entry_of(row: ImageRow, evidence: Mapping[str, Evidence]) -> Entry:
    bodies = {stage: recorded.body for stage, recorded in evidence.items()}
    validated, enriched = bodies.get("validated", {}), bodies.get("enriched", {})
    curated = row.pipeline_status == Status.CURATED
    decision = bodies.get("curated", {}) if curated else {}
    quality = bodies.get("scored", {}).get("quality")
    name = row.key.removeprefix(INCOMING)
    verdict = verdict_of(row)
    _, day, _ = parse_batch(row.batch)
    reasons = row.reasons if curated else ()
    text = enriched.get("text") or {}
    said = [str(enriched.get("caption") or ""), *_lines(text), *_tags(enriched)]
    values: dict[str, Sequence[Any]] = {
        "verdict": [verdict],
        "tenant": [row.tenant],
        "rule": [reason["rule"] for reason in decision.get("reasons", ())],
        "reason": [general(reason) for reason in reasons],
        "failure": [row.failure_class or "unknown"] if verdict == "failed" else [],
        "category": [enriched.get("category")],
        "quality": [bucket(quality)],
        "duplicate": _duplicate(decision),
        "text": _has_text(text),
        "language": [_found(enriched, "language").get("code")],
        "faces": [crowd(_found(enriched, "faces").get("count"))],
        "format": [validated.get("format")],
        "camera": [_camera(validated)],
        "day": [day],
        "batch": [row.batch],
        "policy": [row.policy if curated else None],
        "decided_by": [row.person if row.person_verdict else "policy"] if curated else [],
        "original": [decision.get("duplicate_of")],
    }
    size = [validated.get("width"), validated.get("height")]
    certainty = enriched.get("group_confidence", enriched.get("confidence"))
    return Entry(
        image_id=row.image_id,
        batch=row.batch,
        stamp=stamp_of(row),
        present=row.object_state == PRESENT,
        settled=Status(row.pipeline_status).terminal,
        facets=tuple(_texts(one) for one in values.values()),
        sorts=(
            row.landed_at,
            row.updated_at,
            _number(quality),
            _number(certainty),
            float(row.size),
            float(size[0] * size[1]) if size[0] and size[1] else math.nan,
        ),
        words=frozenset(words(" ".join([name, row.image_id, *said]))[:MOST_WORDS]),
        shown={
            "name": name[:MOST_NAME],
            "tenant": row.tenant,
            "verdict": verdict,
            "width": size[0],
            "height": size[1],
            "thumbnail": row.thumbnail_key is not None,
            "why": _why(row, reasons),
            "caption": str(enriched.get("caption") or ""),
            "category": enriched.get("category"),
            "quality": quality,
            "landed_at": row.landed_at,
            "reviews": row.reviews,
            "person": row.person if row.person_verdict else None,
        },
    )


def verdict_of(row: ImageRow) -> str:
    """What became of an image: a value of the facet `verdict`."""
    if row.pipeline_status == Status.FAILED:
        return "failed"
    if row.pipeline_status == Status.CURATED and row.effective_verdict:
        return row.effective_verdict
    return "pending"


def general(reason: str) -> str:
    """A reason without its numbers, so that equal causes are one value of a facet."""
    return _NUMBERS.sub("…", reason)


def bucket(quality: float | None) -> str | None:
    """The tenth that a quality of 0 to 100 falls into: `40–50`. Sorts as text."""
    if quality is None or math.isnan(quality):
        return None
    low = min(90, max(0, int(quality // 10 * 10)))
    return f"{low:02d}–{low + 10}"


def crowd(faces: int | None) -> str | None:
    """How many faces, as a value of the facet `faces`. Sorts as text."""
    if faces is None:
        return None
    return str(faces) if faces < 2 else "2–4" if faces < 5 else "5 or more"


def _found(enriched: Mapping[str, Any], detector: str) -> Mapping[str, Any]:
    """What a detector recorded; empty where it did not look."""
    return enriched.get(detector) or {}


def _why(row: ImageRow, reasons: Sequence[str]) -> str:
    if row.pipeline_status == Status.FAILED:
        return row.failure_reason or row.failure_class or ""
    return " ".join(reasons)


def _duplicate(decision: Mapping[str, Any]) -> list[str]:
    if not decision.get("duplicate_of"):
        return []
    exact = any(reason["rule"] == "duplicates.exact" for reason in decision.get("reasons", ()))
    return ["same bytes" if exact else "looks alike"]


def _has_text(text: Mapping[str, Any]) -> list[str]:
    if not text:
        return []
    return ["with text" if text.get("words") or text.get("lines") else "without text"]


def _lines(text: Mapping[str, Any]) -> list[str]:
    return [str(line.get("text", "")) for line in text.get("lines", ())]


def _tags(enriched: Mapping[str, Any]) -> list[str]:
    tags = enriched.get("tags") or ()
    return [str(tag.get("name", tag.get("tag", "")) if isinstance(tag, dict) else tag)
            for tag in tags]  # fmt: skip


def _camera(validated: Mapping[str, Any]) -> str | None:
    exif = validated.get("exif") or {}
    make, model = str(exif.get("camera_make", "")), str(exif.get("camera_model", ""))
    if model.casefold().startswith(make.casefold()):
        make = ""
    return f"{make} {model}".strip() or None


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value)[:MOST_NAME] for value in values if value is not None))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
