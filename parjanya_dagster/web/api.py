"""The JSON API, with what the pages use. Its description is /api/v1/openapi.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field

from parjanya_dagster.catalog import Query as View
from parjanya_dagster.catalog.query import cursor
from parjanya_dagster.doctor.explain import explanation
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.images import limited

MOST = 1000  # images of one page

router = APIRouter(prefix="/api/v1")

_VIEW = (
    "Filters are query parameters named as facets are (`tenant`, `verdict`, `rule`, …), each "
    "as often as wanted. `q` searches, `sort` orders (`-landed`)."
)


class ImageListed(BaseModel):
    """One image as lists have it."""

    image_id: str
    tenant: str
    name: str
    verdict: str = Field(description="accept, review, reject, failed or pending.")
    why: str
    category: str | None
    quality: float | None
    reviews: int = Field(description="Decisions of people so far: name it as `seen` to decide.")
    person: str | None = Field(description="Whose verdict it is. Null: a policy's.")
    width: int | None
    height: int | None
    landed_at: float = Field(description="Seconds since the epoch.")
    thumbnail: str | None = Field(description="An address that is good for this session, a while.")


class ImagesListed(BaseModel):
    """A page of a view."""

    total: int
    images: list[ImageListed]
    next: str | None = Field(description="Give it as `after` to get the next page.")
    complete_at: float | None = Field(
        description="Everything that was in Truth then is counted. Null: not built yet."
    )


class Facets(BaseModel):
    """Images by value of each facet, among those that match all filters but its own.

    Of a facet with more than 1,000 values, the most frequent are here.
    """

    facets: dict[str, dict[str, int]]


class Media(BaseModel):
    """Addresses of an image's pictures, good for this session, for a while."""

    thumbnail: str | None
    preview: str | None
    original: str


@router.get("/images", description=f"Images of a view, page by page. {_VIEW}")
def images(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
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
def image(request: Request, image_id: str) -> dict[str, Any]:
    """Everything about one image, as `parjanya explain --json` says it. From Truth."""
    desk, person = _who(request)
    row = desk.row(person, image_id)
    if row is None:
        raise HTTPException(404, "There is no such image.")
    return explanation(desk.platform.store, row, desk.clock())


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
