"""The page Clusters and its API: a tenant's images by what looks alike, and what is like nothing.

A cluster is named by an image that is in it, since its number changes with the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import Response

from parjanya_dagster.client.messages import (
    MOST_SIMILAR,
    ClusterListed,
    ClustersListed,
    SimilarListed,
    SimilarsListed,
)
from parjanya_dagster.errors import EngineAway, LikenessUnknown
from parjanya_dagster.similar import DEFAULT_CLUSTERS, Answer, Clusters
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.pages import render
from parjanya_dagster.web.similar import listed, tiles

CHOICES = (6, 12, 24, 48)
TYPICAL = 8  # images of a cluster on the page of all
STRIP = 12  # outliers there
PAGE = 120  # images of one cluster
MOST = 500  # clusters
K = Annotated[int, Query(ge=1, le=MOST)]
Limit = Annotated[int, Query(ge=1, le=MOST_SIMILAR)]

router = APIRouter(prefix="/api/v1")


def page(request: Request) -> Response:
    """All clusters of a tenant, or with `like` the one that an image is in."""
    desk, person = _who(request)
    asked = request.query_params
    slugs = [t.slug for t in desk.platform.store.tenants() if person.may("viewer", t.slug)]
    slug = asked.get("tenant") or (slugs[0] if slugs else "")
    k = next((n for n in CHOICES if str(n) == asked.get("k")), DEFAULT_CLUSTERS)
    shown: dict[str, Any] = {
        "tenants": slugs, "chosen": slug, "k": k, "choices": CHOICES, "why": "", "clusters": [],
        "outliers": [], "tiles": [], "view": "", "more": None, "total": 0, "like": "", "next": None,
        "space": None,
    }  # fmt: skip
    owner = desk.platform.store.tenant(slug) if slug in slugs else None
    if owner is None:
        return render(request, "clusters.html.j2", **shown | {"why": "There is no such tenant."})
    try:
        found = desk.platform.similar.clusters(owner, k)
    except (EngineAway, LikenessUnknown) as error:
        return render(request, "clusters.html.j2", **shown | {"why": str(error)})
    shown |= {"total": len(found.ids), "space": found.space}
    number = found.of(asked.get("like", ""))
    if number is not None:
        start = max(0, int(asked["from"])) if asked.get("from", "").isdigit() else 0
        size = found.sizes[number]
        members = found.members(number, start, start + PAGE)
        shown |= {
            "like": asked["like"], "total": size,
            "tiles": _tiles(desk, person, owner, found, members),
            "next": start + PAGE if start + PAGE < size else None,
        }  # fmt: skip
    else:
        shown |= {
            "clusters": [
                {"size": size, "name": members[0][0],
                 "tiles": _tiles(desk, person, owner, found, members)}
                for number, size in enumerate(found.sizes)
                for members in [found.members(number, 0, TYPICAL)]
            ],
            "outliers": _tiles(desk, person, owner, found, found.outliers[:STRIP]),
        }  # fmt: skip
    return render(request, "clusters.html.j2", **shown)


@router.get("/clusters")
def clusters(
    request: Request, tenant: str, k: K = DEFAULT_CLUSTERS, limit: Limit = 8
) -> ClustersListed:
    """A tenant's images in up to k clusters, each with `limit` of its most typical images."""
    desk, person = _who(request)
    owner = _owner(desk, person, tenant)
    found = desk.platform.similar.clusters(owner, k)
    told = [
        ClusterListed(
            size=size, images=_listed(desk, person, owner, found, found.members(number, 0, limit))
        )
        for number, size in enumerate(found.sizes)
    ]
    return ClustersListed(space=found.space.id, compared=len(found.ids), clusters=told)


@router.get("/outliers")
def outliers(request: Request, tenant: str, limit: Limit = 24) -> SimilarsListed:
    """Images of a tenant that are least like any others, first those that are least like.

    `similarity` is that to the fifth nearest image.
    """
    desk, person = _who(request)
    owner = _owner(desk, person, tenant)
    found = desk.platform.similar.clusters(owner, DEFAULT_CLUSTERS)
    images = _listed(desk, person, owner, found, found.outliers[:limit])
    return SimilarsListed(space=found.space.id, compared=len(found.ids), images=images)


def _owner(desk: Desk, person: Person, slug: str) -> Tenant:
    owner = desk.platform.store.tenant(slug)
    if owner is None or not person.may("viewer", slug):
        raise HTTPException(404, "There is no such tenant.")
    return owner


def _answer(
    desk: Desk, owner: Tenant, found: Clusters, images: Sequence[tuple[str, float]]
) -> Answer:
    alike = desk.platform.similar.shown(owner, images)
    return Answer(space=found.space, images=alike, compared=len(found.ids))


def _tiles(
    desk: Desk, person: Person, owner: Tenant, found: Clusters, images: Sequence[tuple[str, float]]
) -> list[dict[str, Any]]:
    return tiles(desk, person, _answer(desk, owner, found, images))


def _listed(
    desk: Desk, person: Person, owner: Tenant, found: Clusters, images: Sequence[tuple[str, float]]
) -> list[SimilarListed]:
    return listed(desk, person, _answer(desk, owner, found, images))


def _who(request: Request) -> tuple[Desk, Person]:
    return request.app.state.desk, request.state.person
