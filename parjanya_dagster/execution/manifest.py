"""The manifest of a batch: a Parquet file with one row per image, replaced as a whole."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Evidence, ImageRow, parse_batch
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Images, Store, Tenants
from parjanya_dagster.truth.store.paging import batch_rows


def manifest_key(batch: str) -> str:
    """Where the manifest of a batch is, in its tenant's bucket."""
    _, day, number = parse_batch(batch)
    return f"curated/{day}/{number:03d}.parquet"


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of a batch in the order of their arrival, and their current evidence."""

    rows: Sequence[ImageRow]
    evidence: Mapping[str, Mapping[str, Evidence]]


def contents(store: Store, batch: str) -> Contents:
    rows = all_rows(store, batch)
    return Contents(rows, store.evidence(rows))


def write_manifest(
    store: Store, objects: Objects, batch: str, decided: int, known: Contents | None = None
) -> str:
    """Write the manifest of a batch as Truth has it now. `decided` was read before.

    `known`: the batch's contents, where they were read since then.

    Dying before the last line leaves the manifest marked stale, so it is written again.
    """
    key = manifest_key(batch)
    known = known or contents(store, batch)
    bucket = _bucket(store, batch)
    data = as_parquet(known.rows, known.evidence)
    objects.put(bucket, key, data, "application/vnd.apache.parquet")
    store.manifest_written(batch, decided)
    return key


def all_rows(store: Images, batch: str) -> list[ImageRow]:
    """Every row of a batch, in the order of their arrival."""
    return sorted(batch_rows(store, [batch]), key=lambda row: (row.landed_at, row.image_id))


def as_parquet(rows: Sequence[ImageRow], evidence: Mapping[str, Mapping[str, Evidence]]) -> bytes:
    """The manifest's bytes. Equal rows and evidence give equal bytes."""
    import pandas

    table = pandas.DataFrame.from_records(
        [_record(row, evidence.get(row.image_id, {})) for row in rows], columns=list(COLUMNS)
    ).astype(COLUMNS)
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", index=False, compression="zstd")
    return buffer.getvalue()


COLUMNS = {
    "image_id": "string",
    "key": "string",
    "version": "string",
    "status": "string",
    "verdict": "string",
    "reasons": "object",
    "policy": "string",
    "policy_hash": "string",
    "failure_class": "string",
    "failure_reason": "string",
    "duplicate_of": "string",
    "sha256": "string",
    "width": "Int32",
    "height": "Int32",
    "format": "string",
    "category": "string",
    "confidence": "Float64",
    "quality": "Float64",
    "preview_key": "string",
    "thumbnail_key": "string",
}


def _record(row: ImageRow, evidence: Mapping[str, Evidence]) -> dict[str, Any]:
    bodies = {stage: record.body for stage, record in evidence.items()}
    validated, enriched = bodies.get("validated", {}), bodies.get("enriched", {})
    scored = bodies.get("scored", {})
    decided = row.pipeline_status == Status.CURATED
    curated = bodies.get("curated", {}) if decided else {}
    return {
        "image_id": row.image_id,
        "key": row.key,
        "version": row.version,
        "status": row.pipeline_status,
        "verdict": row.verdict if decided else None,
        "reasons": list(row.reasons) if decided else [],
        "policy": row.policy if decided else None,
        "policy_hash": curated.get("policy_hash"),
        "failure_class": row.failure_class,
        "failure_reason": row.failure_reason,
        "duplicate_of": curated.get("duplicate_of"),
        "sha256": row.sha256,
        "width": validated.get("width"),
        "height": validated.get("height"),
        "format": validated.get("format"),
        "category": enriched.get("category"),
        "confidence": enriched.get("confidence"),
        "quality": scored.get("quality"),
        "preview_key": row.preview_key,
        "thumbnail_key": row.thumbnail_key,
    }


def _bucket(store: Tenants, batch: str) -> str:
    tenant = store.tenant(parse_batch(batch)[0])
    assert tenant is not None, "a batch belongs to a registered tenant"
    return tenant.bucket
