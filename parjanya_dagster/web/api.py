"""The JSON API, with what the pages use. Its description is /api/v1/openapi.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request

from parjanya_dagster.catalog import Query as View
from parjanya_dagster.catalog.query import cursor
from parjanya_dagster.client.messages import (
    MOST_LISTED,
    Facets,
    ImageFacts,
    ImageListed,
    ImagesListed,
    Me,
    Media,
    TenantListed,
    TenantsListed,
)
from parjanya_dagster.doctor.explain import explanation
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.images import limited

router = APIRouter(prefix="/api/v1")

_VIEW = (
    "Filters are query parameters named as facets are (`tenant`, `verdict`, `rule`, …), each "
    "as often as wanted. `q` searches, `sort` orders (`-landed`)."
)


@router.get("/me")
def me(request: Request) -> Me:
    """Who you are here."""
    desk, person = _who(request)
    return Me(name=person.name, operates=person.operates, form_token=desk.keys.form_token(person))


@router.get("/tenants")
def tenants(request: Request) -> TenantsListed:
    """The tenants that exist to you, what decides their images, and what waits for people."""
    desk, person = _who(request)
    store = desk.platform.store
    return TenantsListed(
        tenants=[
            TenantListed(
                tenant=tenant.slug,
                policy=tenant.policy,
                role=role,
                waiting=store.waiting_for_review(tenant.slug),
            )
            for tenant in store.tenants()
            if (role := person.role(tenant.slug)) is not None
        ]
    )


@router.get("/images", description=f"Images of a view, page by page. {_VIEW}")
def images(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
    after: Annotated[str, Query(description="`next` of the page before.")] = "",
) -> ImagesListed:
    desk, person = _who(request)
    found = desk.catalog.page(_view(request, person), limit)
    return ImagesListed(
        total=found.total,
        images=[_listed(desk, person, one.image_id, one.shown) for one in found.images],
        next=cursor(found.next) if found.next else None,
        complete_at=desk.catalog.freshness().complete_at,
    )


@router.get("/facets", description=f"What a view holds, counted. {_VIEW}")
def facets(request: Request) -> Facets:
    desk, person = _who(request)
    counts = desk.catalog.counts(_view(request, person))
    return Facets(facets={name: dict(counted.most_common()) for name, counted in counts.items()})


@router.get("/images/{image_id}")
def image(request: Request, image_id: str) -> ImageFacts:
    """Everything about one image, as `parjanya explain --json` says it. From Truth."""
    desk, person = _who(request)
    row = desk.row(person, image_id)
    if row is None:
        raise HTTPException(404, "There is no such image.")
    return ImageFacts.model_validate(explanation(desk.platform.store, row, desk.clock()))


@router.get("/images/{image_id}/media")
def media(request: Request, image_id: str) -> Media:
    """Fresh addresses of an image's pictures."""
    desk, person = _who(request)
    row = desk.row(person, image_id)
    if row is None:
        raise HTTPException(404, "There is no such image.")
    at = desk.media.address
    return Media(
        thumbnail=at(person, row.tenant, image_id, "thumbnail") if row.thumbnail_key else None,
        preview=at(person, row.tenant, image_id, "preview") if row.preview_key else None,
        original=at(person, row.tenant, image_id, "original"),
        download=at(person, row.tenant, image_id, "download"),
    )


def _who(request: Request) -> tuple[Desk, Person]:
    return request.app.state.desk, request.state.person


def _view(request: Request, person: Person) -> View:
    return limited(View.of(request.query_params.multi_items()), person)


def _listed(desk: Desk, person: Person, image_id: str, shown: Mapping[str, Any]) -> ImageListed:
    thumbnail = None
    if shown["thumbnail"]:
        thumbnail = desk.media.address(person, shown["tenant"], image_id, "thumbnail")
    return ImageListed(**{**shown, "image_id": image_id, "thumbnail": thumbnail})
