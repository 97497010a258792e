"""The page Review: what waits for a person, one image at a time or as a grid.

A view narrows it, as on the page Images. Which images are in the view is the catalog's to say, so
what has just arrived comes seconds later. Whether one waits is always read from Truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from parjanya_dagster.catalog import FACETS, Catalog, Query
from parjanya_dagster.errors import QueryInvalid
from parjanya_dagster.objects.keys import INCOMING
from parjanya_dagster.review.queue import ORDERS
from parjanya_dagster.truth.models import ImageRow
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.image import named
from parjanya_dagster.web.images import REVIEWS, chips, originals, rail
from parjanya_dagster.web.pages import render

PAGE = 500  # ids of a view that are read at once


def page(request: Request) -> Response:
    """The queue of one tenant; without one, what waits for whom."""
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    store = desk.platform.store
    waiting = [
        {"tenant": tenant.slug, "waiting": store.waiting_for_review(tenant.slug)}
        for tenant in store.tenants()
        if person.may("reviewer", tenant.slug)
    ]
    chosen = request.query_params.get("tenant")
    if chosen is None and len(waiting) == 1:
        return RedirectResponse(f"/review?tenant={waiting[0]['tenant']}", 303)
    if chosen is None:
        return render(request, "queues.html.j2", queues=waiting)
    if not any(one["tenant"] == chosen for one in waiting):
        return render(request, "missing.html.j2", status=404, what="tenant for you to review")
    order = request.query_params.get("order", ORDERS[0])
    try:
        view = read_view(request.url.query)
    except QueryInvalid:
        return RedirectResponse(f"/review?{urlencode({'tenant': chosen})}", 303)
    queue = narrowed(view, chosen)
    counts = desk.catalog.counts(queue)
    names = originals(desk, person, counts["original"], view)
    return render(
        request,
        "review.html.j2",
        tenant=chosen,
        order=order if order in ORDERS else ORDERS[0],
        queues=waiting,
        view=view.address(),
        pairs=view.pairs(),
        text=view.text,
        rail=rail(view, counts, names, [one for one in FACETS if one.name not in REVIEWS]),
        chips=chips(view, names),
    )


def read_view(text: str) -> Query:
    """What narrows a queue, from an address: filters and words. Raises QueryInvalid."""
    pairs = parse_qsl(text, errors="surrogateescape")
    return Query.of(pair for pair in pairs if pair[0] not in (*REVIEWS, "after"))


def narrowed(view: Query, tenant: str) -> Query:
    """The images of a view that wait for a person of this tenant, the earliest arrival first."""
    filters = {**view.filters, "tenant": (tenant,), "verdict": ("review",)}
    return replace(view, filters=filters, sort="landed")


def ids_of(catalog: Catalog, query: Query) -> Iterator[str]:
    """The images of a view in its order, read as far as somebody asks."""
    while True:
        found = catalog.page(query, PAGE)
        yield from (one.image_id for one in found.images)
        if found.next is None:
            return
        query = query.page_after(found.next)


def asked(desk: Desk, person: Person, rows: list[ImageRow]) -> list[dict[str, Any]]:
    """What a reviewer is shown of images, and what a decision about them must name."""
    evidence = desk.platform.store.evidence(rows)
    address = desk.media.address
    shown = []
    for row in rows:
        bodies = {stage: one.body for stage, one in evidence.get(row.image_id, {}).items()}
        earlier = _earlier(desk, person, bodies.get("curated", {}).get("duplicate_of"))
        names = {earlier["image_id"]: earlier["name"]} if earlier else {}
        enriched, validated = bodies.get("enriched", {}), bodies.get("validated", {})
        reasons = bodies.get("curated", {}).get("reasons", ())
        shown.append(
            {
                "image_id": row.image_id,
                "tenant": row.tenant,
                "name": row.key.removeprefix(INCOMING),
                "seen": row.reviews,
                "evidence": dict(row.evidence),
                "policy": row.policy,
                "verdict": row.effective_verdict,
                "reasons": [
                    named(message, names)
                    for message in [reason["message"] for reason in reasons] or row.reasons
                ],
                "earlier": earlier,
                "category": enriched.get("category"),
                "caption": enriched.get("caption"),
                "quality": bodies.get("scored", {}).get("quality"),
                "width": validated.get("width"),
                "height": validated.get("height"),
                "thumbnail": address(person, row.tenant, row.image_id, "thumbnail")
                if row.thumbnail_key
                else None,
                "preview": address(person, row.tenant, row.image_id, "preview")
                if row.preview_key
                else None,
            }
        )
    return shown


def _earlier(desk: Desk, person: Person, image_id: str | None) -> dict[str, Any] | None:
    """The image that one is a duplicate of, to be looked at beside it."""
    row = desk.row(person, image_id) if image_id else None
    if row is None or not row.preview_key or not row.thumbnail_key:
        return None
    address = desk.media.address
    return {
        "image_id": row.image_id,
        "name": row.key.removeprefix(INCOMING),
        "verdict": row.effective_verdict,
        "thumbnail": address(person, row.tenant, row.image_id, "thumbnail"),
        "preview": address(person, row.tenant, row.image_id, "preview"),
    }
