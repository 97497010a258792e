"""The page of one image. Everything on it is read from Truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from parjanya_dagster.catalog import Query
from parjanya_dagster.catalog.entry import verdict_of
from parjanya_dagster.errors import PolicyUnusable, QueryInvalid
from parjanya_dagster.objects.keys import INCOMING
from parjanya_dagster.truth.models import PRESENT, Evidence, ImageRow
from parjanya_dagster.truth.stages import STAGES
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.facts import camera, found, light, text_boxes
from parjanya_dagster.web.images import WORDS, limited
from parjanya_dagster.web.media import INLINE
from parjanya_dagster.web.pages import render
from parjanya_dagster.web.scales import scales

TWINS = 12  # that are shown
MEASURES = ("sharpness", "noise", "blockiness", "brightness", "contrast", "colourfulness",
            "clipped_dark", "clipped_bright")  # fmt: skip


def page(request: Request) -> Response:
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    row = desk.row(person, request.path_params["image_id"])
    if row is None:
        return render(request, "missing.html.j2", status=404)
    return render(
        request,
        "image.html.j2",
        **facts(desk, person, row),
        **neighbours(desk, person, row, request.query_params.multi_items()),
    )


def facts(desk: Desk, person: Person, row: ImageRow) -> dict[str, Any]:
    """What is known of an image, for its page."""
    store = desk.platform.store
    evidence = store.evidence([row]).get(row.image_id, {})
    bodies = {stage: one.body for stage, one in evidence.items()}
    validated, enriched = bodies.get("validated", {}), bodies.get("enriched", {})
    decision = bodies.get("curated", {}) if row.verdict else {}
    twins = _twins(desk, person, row, decision.get("duplicate_of"))
    names = {twin["image_id"]: twin["name"] for twin in twins}
    reasons = [
        {**reason, "message": named(reason["message"], names)}
        for reason in decision.get("reasons", ())
    ]
    name = row.key.removeprefix(INCOMING)
    address = desk.media.address
    return {
        "row": row,
        "name": name,
        "verdict": verdict_of(row),
        "word": WORDS[verdict_of(row)],
        "reviews": store.reviews(row.image_id),
        "may_review": person.may("reviewer", row.tenant) and row.pipeline_status == "curated",
        "preview": address(person, row.tenant, row.image_id, "preview")
        if row.preview_key
        else None,
        "original": address(person, row.tenant, row.image_id, "original")
        if row.object_state == PRESENT
        else None,
        "download": address(person, row.tenant, row.image_id, "download"),
        "inline": validated.get("format") in INLINE,
        "alt": enriched.get("caption") or f"{enriched.get('category') or 'image'}",
        "reasons": reasons,
        "scales": scales(_policy(desk, row), reasons),
        "probabilities": _ranked(enriched.get("probabilities", {})),
        "enriched": enriched,
        "scored": bodies.get("scored", {}),
        "validated": validated,
        "measures": [
            (measure.replace("_", " "), validated["technical"][measure])
            for measure in MEASURES
            if measure in validated.get("technical", {})
        ],
        "found": found(enriched),
        "exif": camera(validated.get("exif") or {}),
        "light": light(validated.get("likeness") or {}),
        "boxes": text_boxes(enriched, validated),
        "evidence": [_told(evidence[stage]) for stage in STAGES if stage in evidence],
        "decisions": store.decisions([row.image_id]).get(row.image_id, ()),
        "history": store.history(row.image_id),
        "twins": twins,
        "named": lambda message: named(message, names),
    }


def named(message: str, names: Mapping[str, str]) -> str:
    """A sentence with the names of images in the place of their ids."""
    for image_id, name in names.items():
        message = message.replace(image_id, name)
    return message


def neighbours(
    desk: Desk, person: Person, row: ImageRow, pairs: list[tuple[str, str]]
) -> dict[str, Any]:
    """The images before and after this one in the view that it was opened from."""
    try:
        query = Query.of(pairs)
    except QueryInvalid:
        query = Query()
    before, after = desk.catalog.beside(limited(query, person), row.image_id)
    return {"view": query.address(), "before": before, "after": after}


def _policy(desk: Desk, row: ImageRow) -> Any:
    try:
        return desk.platform.registry.get(row.policy) if row.policy else None
    except PolicyUnusable:
        return None


def _ranked(probabilities: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(probabilities.items(), key=lambda one: -one[1])


def _told(one: Evidence) -> dict[str, Any]:
    return {
        "stage": one.stage,
        "engine": f"{one.engine} {one.model}".strip(),
        "run_id": one.run_id,
        "at": one.created_at,
        "fingerprint": one.fingerprint,
    }


def _twins(desk: Desk, person: Person, row: ImageRow, original: str | None) -> list[dict[str, Any]]:
    """Images with the same bytes, the one this is a duplicate of, and duplicates of this one."""
    store = desk.platform.store
    found: dict[str, tuple[ImageRow, str]] = {}
    if row.sha256:
        for twin in store.twins(row.tenant, [row.sha256], limit=TWINS).get(row.sha256, ()):
            found[twin.image_id] = (twin, "the same bytes")
    if original and original not in found:
        first = desk.row(person, original)
        if first is not None:
            found[original] = (first, "an earlier image that it looks like")
    copies = desk.catalog.page(Query(filters={"original": (row.image_id,)}), TWINS)
    for one in copies.images:
        later = desk.row(person, one.image_id)
        if later is not None and later.image_id not in found:
            found[later.image_id] = (later, "a later image that looks like it")
    found.pop(row.image_id, None)
    return [
        {
            "image_id": twin.image_id,
            "name": twin.key.removeprefix(INCOMING),
            "verdict": verdict_of(twin),
            "word": WORDS[verdict_of(twin)],
            "how": how,
            "size": twin.size,
            "source": desk.media.address(person, twin.tenant, twin.image_id, "preview")
            if twin.preview_key
            else None,
        }
        for twin, how in list(found.values())[:TWINS]
    ]
