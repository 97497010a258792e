"""The table that a manifest is: its columns, and its bytes as Parquet (docs/manifest.md).

It carries how many changes of its batch it shows, so that of two manifests the newer is known.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from parjanya_dagster.truth.models import PRESENT, Evidence, ImageRow
from parjanya_dagster.truth.stages import Status

SHOWS = b"parjanya.decided"
"""In the file's metadata: the count of `Manifests.stale_manifests` that it was made from."""

COLUMNS = {
    "image_id": "string",
    "key": "string",
    "version": "string",
    "present": "boolean",
    "gone": "string",
    "gone_at": "datetime64[us, UTC]",
    "replaced_by": "string",
    "status": "string",
    "verdict": "string",
    "effective_verdict": "string",
    "decided_by": "string",
    "reviewer": "string",
    "reviewed_at": "datetime64[us, UTC]",
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


def as_parquet(
    rows: Sequence[ImageRow], evidence: Mapping[str, Mapping[str, Evidence]], decided: int = 0
) -> bytes:
    """The manifest's bytes. Equal rows, evidence and count give equal bytes."""
    import pandas
    import pyarrow
    import pyarrow.parquet

    frame = pandas.DataFrame.from_records(
        [_record(row, evidence.get(row.image_id, {})) for row in rows], columns=list(COLUMNS)
    ).astype(COLUMNS)
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    reasons = table.schema.get_field_index("reasons")
    words = table.column(reasons).cast(
        pyarrow.list_(pyarrow.string())
    )  # a null where all are empty
    table = table.set_column(reasons, "reasons", words)
    marked = {**(table.schema.metadata or {}), SHOWS: str(decided).encode()}
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table.replace_schema_metadata(marked), buffer, compression="zstd")
    return buffer.getvalue()


def shows(data: bytes) -> int:
    """How many changes of its batch a manifest shows. -1: it does not say, or is none."""
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_schema(io.BytesIO(data)).metadata or {}
        return int(metadata.get(SHOWS, b"-1"))
    except (pyarrow.ArrowException, OSError, ValueError):
        return -1


def _record(row: ImageRow, evidence: Mapping[str, Evidence]) -> dict[str, Any]:
    bodies = {stage: record.body for stage, record in evidence.items()}
    validated, enriched = bodies.get("validated", {}), bodies.get("enriched", {})
    scored = bodies.get("scored", {})
    decided = row.pipeline_status == Status.CURATED
    curated = bodies.get("curated", {}) if decided else {}
    gone = row.object_state != PRESENT
    return {
        "image_id": row.image_id,
        "key": row.key,
        "version": row.version,
        "present": not gone,
        "gone": row.object_state if gone else None,
        # Nothing changes a row after it left its bucket, until it comes back.
        "gone_at": _utc(row.updated_at) if gone else None,
        "replaced_by": row.replaced_by,
        "status": row.pipeline_status,
        "verdict": row.verdict if decided else None,
        "effective_verdict": row.effective_verdict if decided else None,
        "decided_by": row.decided_by if decided else None,
        "reviewer": row.person,
        "reviewed_at": None if row.reviewed_at is None else _utc(row.reviewed_at),
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


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
