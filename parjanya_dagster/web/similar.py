"""The page Similar and its API: images like one, like a picture, or like what words say."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import Response

from parjanya_dagster.catalog.catalog import Listed
from parjanya_dagster.client.messages import MOST_SIMILAR, SimilarListed, SimilarsListed
from parjanya_dagster.errors import EngineAway, LikenessUnknown, QueryInvalid
from parjanya_dagster.similar import Answer
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.images import tile
from parjanya_dagster.web.pages import render

SHOWN = 60  # images of a page
STRIP = 12  # images on the page of one image
MOST_BYTES = 32 << 20  # of a picture that is shown
Limit = Annotated[int, Query(ge=1, le=MOST_SIMILAR)]

router = APIRouter(prefix="/api/v1")


def page(request: Request) -> Response:
    """What looks like the image that the address names, or like its words; without, a form.

    With `part=tiles` only the tiles, for the page of one image.
    """
    desk, person = _who(request)
    image_id = request.query_params.get("image", "")
    slugs = [t.slug for t in desk.platform.store.tenants() if person.may("viewer", t.slug)]
    if not image_id:
        return _asked(request, desk, person, slugs)
    row = desk.row(person, image_id)
    if row is None:
        return render(request, "missing.html.j2", status=404)
    part = request.query_params.get("part") == "tiles"
    answer, why = None, ""
    try:
        answer = desk.platform.similar.like_image(row, STRIP if part else SHOWN)
    except (EngineAway, LikenessUnknown) as error:
        why = str(error)
    source = None
    if row.thumbnail_key:
        source = desk.media.address(person, row.tenant, row.image_id, "thumbnail")
    shown: dict[str, Any] = {
        "tiles": tiles(desk, person, answer) if answer else [], "view": "", "more": None,
    }  # fmt: skip
    if part:
        return render(request, "tiles.html.j2", **shown)
    return render(
        request, "similar.html.j2", row=row, tenants=slugs, chosen=row.tenant, words="", why=why,
        answer=answer, source=source, **shown,
    )  # fmt: skip


def _asked(request: Request, desk: Desk, person: Person, slugs: list[str]) -> Response:
    """The form for a picture or words, and what shows what the words say."""
    chosen, words = request.query_params.get("tenant", ""), request.query_params.get("words", "")
    answer, why = None, ""
    if words and chosen in slugs:
        owner = desk.platform.tenant(chosen)
        try:
            answer = desk.platform.similar.like_words(owner, words, SHOWN)
        except (EngineAway, LikenessUnknown, QueryInvalid) as error:
            why = str(error)
    return render(
        request, "similar.html.j2", row=None, tenants=slugs, chosen=chosen, words=words, why=why,
        tiles=tiles(desk, person, answer) if answer else [], view="", more=None, answer=answer,
        source=None,
    )  # fmt: skip


def tiles(desk: Desk, person: Person, answer: Answer) -> list[dict[str, Any]]:
    """What the template of a tile is given, of each image that the catalog has."""
    return [tile(desk, person, listed) for listed, _ in _listed(desk, person, answer)]


@router.get("/images/{image_id}/similar")
def like_image(request: Request, image_id: str, limit: Limit = 24) -> SimilarsListed:
    """Images of the same tenant that look like this one, the most alike first."""
    desk, person = _who(request)
    row = desk.row(person, image_id)
    if row is None:
        raise HTTPException(404, "There is no such image.")
    return _told(desk, person, desk.platform.similar.like_image(row, limit))


@router.get("/similar")
def like_words(request: Request, tenant: str, words: str, limit: Limit = 24) -> SimilarsListed:
    """Images of a tenant that show what words say, the best first.

    422: the model of the vectors knows no words, and a sentence says so.
    """
    desk, person = _who(request)
    owner = desk.platform.store.tenant(tenant)
    if owner is None or not person.may("viewer", tenant):
        raise HTTPException(404, "There is no such tenant.")
    return _told(desk, person, desk.platform.similar.like_words(owner, words, limit))


@router.post("/similar/content")
async def like_picture(request: Request, tenant: str, limit: Limit = 24) -> SimilarsListed:
    """Images of a tenant that look like a picture, which is the body. It is not kept.

    422: it cannot be read, and a sentence says why.
    """
    desk, person = _who(request)
    answer = await _like_body(request, tenant, limit)
    return await to_thread.run_sync(_told, desk, person, answer)


async def shown_picture(request: Request) -> Response:
    """The tiles of what looks like the picture in the body, for the page Similar."""
    desk, person = _who(request)
    answer = await _like_body(request, request.query_params.get("tenant", ""), SHOWN)

    def part() -> Response:
        shown = tiles(desk, person, answer)
        return render(request, "tiles.html.j2", tiles=shown, view="", more=None)

    return await to_thread.run_sync(part)


async def _like_body(request: Request, slug: str, n: int) -> Answer:
    """What looks like the picture that is the body of a request. Raises HTTPException."""
    desk, person = _who(request)
    owner = await to_thread.run_sync(desk.platform.store.tenant, slug)
    if owner is None or not person.may("viewer", slug):
        raise HTTPException(404, "There is no such tenant.")
    most = min(MOST_BYTES, desk.platform.settings.media.max_bytes)
    data = bytearray()
    async for some in request.stream():
        data += some
        if len(data) > most:
            raise HTTPException(413, f"A picture to compare has at most {most} bytes.")
    return await to_thread.run_sync(desk.platform.similar.like_picture, owner, bytes(data), n)


def _listed(desk: Desk, person: Person, answer: Answer) -> list[tuple[Listed, float]]:
    """What was found, of what exists to this person and is in the catalog."""
    seen = [one for one in answer.images if person.may("viewer", one.row.tenant)]
    known = desk.catalog.listed(one.row.image_id for one in seen)
    return [(known[one.row.image_id], one.similarity) for one in seen if one.row.image_id in known]


def listed(desk: Desk, person: Person, answer: Answer) -> list[SimilarListed]:
    """What was found, as the API tells it."""
    images = []
    for one, similarity in _listed(desk, person, answer):
        thumbnail = None
        if one.shown["thumbnail"]:
            thumbnail = desk.media.address(person, one.shown["tenant"], one.image_id, "thumbnail")
        told = {**one.shown, "image_id": one.image_id, "thumbnail": thumbnail}
        images.append(SimilarListed(**told, similarity=round(similarity, 4)))
    return images


def _told(desk: Desk, person: Person, answer: Answer) -> SimilarsListed:
    images = listed(desk, person, answer)
    return SimilarsListed(space=answer.space.id, compared=answer.compared, images=images)


def _who(request: Request) -> tuple[Desk, Person]:
    return request.app.state.desk, request.state.person
