"""Rows of Truth, as the HTML report shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parjanya_dagster.errors import ObjectGone, StorageUnavailable
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.truth.models import Evidence, ImageRow
from parjanya_dagster.truth.stages import Status
from parjanya_dagster.truth.store import Store
from parjanya_dagster.truth.store.paging import present_rows
from parjanya_dagster.web.report.page import ReportImage, ReportReason


def report_images(store: Store, objects: Objects, tenants: Sequence[str]) -> Iterator[ReportImage]:
    """Every present image of these tenants, with its thumbnail, in the order of arrival."""
    for tenant in tenants:
        rows = list(present_rows(store, tenant))
        evidence = store.evidence(rows)
        for row in sorted(rows, key=lambda row: (row.landed_at, row.image_id)):
            yield _image(row, evidence.get(row.image_id, {}), objects)


def _image(row: ImageRow, evidence: Mapping[str, Evidence], objects: Objects) -> ReportImage:
    bodies = {stage: recorded.body for stage, recorded in evidence.items()}
    validated, enriched = bodies.get("validated", {}), bodies.get("enriched", {})
    curated = row.pipeline_status == Status.CURATED
    return ReportImage(
        tenant=row.tenant,
        key=row.key,
        image_id=row.image_id,
        status=row.pipeline_status,
        verdict=row.effective_verdict if curated else None,
        reasons=_reasons(row, bodies.get("curated", {})),
        thumbnail=_thumbnail(row, objects),
        category=enriched.get("category"),
        confidence=enriched.get("confidence"),
        quality=bodies.get("scored", {}).get("quality"),
        facts=_facts(row, validated),
    )


def _reasons(row: ImageRow, decision: Mapping[str, Any]) -> list[ReportReason]:
    if row.pipeline_status == Status.FAILED:
        return [ReportReason(row.failure_class or "unknown", row.failure_reason or "")]
    return [
        ReportReason(reason["rule"], reason["message"])
        for reason in decision.get("reasons", ())
        if reason["verdict"] == decision["verdict"]  # weaker reasons did not decide
    ]


def _facts(row: ImageRow, validated: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"policy": row.policy} if row.policy else {}
    if validated:
        facts["size"] = f"{validated['width']} × {validated['height']} {validated['format']}"
        exif = validated.get("exif", {})
        camera = " ".join(str(exif[k]) for k in ("camera_make", "camera_model") if k in exif)
        if camera:
            facts["camera"] = camera
    facts["bytes"] = row.size
    return facts


def _thumbnail(row: ImageRow, objects: Objects) -> bytes | None:
    if row.thumbnail_key is None:
        return None
    try:
        return objects.get(row.preview_bucket or row.bucket, row.thumbnail_key).data
    except (ObjectGone, StorageUnavailable):
        return None
