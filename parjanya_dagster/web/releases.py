"""The page Releases and its API: a list of releases, and a form that begins one from a view."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from parjanya_dagster.client.release_messages import (
    ReleaseBegun,
    ReleasesListed,
    ReleaseTold,
    ReleaseWanted,
)
from parjanya_dagster.execution.engines import chosen_space
from parjanya_dagster.release.create import begin
from parjanya_dagster.release.options import Options, read_formats, read_split, read_where
from parjanya_dagster.release.writing import root_of
from parjanya_dagster.truth.releases import Release
from parjanya_dagster.web.access import Person, Role
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.pages import render

ROLE: Role = "operator"  # who may let images out of the house

router = APIRouter(prefix="/api/v1")


def page(request: Request) -> Response:
    """Releases of the tenants that exist to who asks. The address may name a view to release."""
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    store, pairs = desk.platform.store, request.query_params.multi_items()
    slugs = [t.slug for t in store.tenants() if person.may("viewer", t.slug)]
    every = [release for slug in slugs for release in store.releases(slug)]
    return render(
        request,
        "releases.html.j2",
        releases=sorted(every, key=lambda one: -one.created_at),
        allowed=[slug for slug in slugs if person.may(ROLE, slug)],
        chosen=next((value for name, value in pairs if name == "tenant"), ""),
        view=urlencode([(n, v) for n, v in pairs if n not in ("tenant", "sort", "after")]),
    )


@router.get("/releases")
def releases(request: Request, tenant: str) -> ReleasesListed:
    """Every release of a tenant."""
    desk, person = _who(request)
    if not person.may("viewer", tenant):
        raise HTTPException(404, "There is no such tenant.")
    every = desk.platform.store.releases(tenant)
    return ReleasesListed(releases=[ReleaseTold(**_told(desk, one)) for one in every])


@router.post("/releases")
def create(request: Request, wanted: ReleaseWanted) -> ReleaseBegun:
    """Begin a release. Equal images and options are the same release, and `new` is false then.

    422: a sentence says what makes no sense.
    """
    desk, person = _who(request)
    if not person.may(ROLE, wanted.tenant):
        raise HTTPException(404, "There is no such tenant of which you may release images.")
    options = Options(
        where=read_where(wanted.where, wanted.tenant),
        split=read_split(wanted.split),
        formats=read_formats(wanted.formats),
        pictures=wanted.bytes,
        diverse=wanted.diverse,
        description=wanted.description,
        licence=wanted.licence,
        privacy=wanted.privacy,
    )
    platform = desk.platform
    begun = begin(
        platform.store,
        platform.objects,
        platform.tenant(wanted.tenant),
        wanted.name,
        options,
        who=person.name,
        clock=platform.clock,
        space=chosen_space(platform.settings) if wanted.diverse else None,
    )
    told = _told(desk, begun.release)
    return ReleaseBegun(**told, new=begun.new, left_out=dict(begun.left_out))


def _told(desk: Desk, release: Release) -> dict[str, Any]:
    platform = desk.platform
    bucket = platform.tenant(release.tenant).bucket
    return {
        "release": release.key,
        "release_id": release.release_id,
        "state": release.state,
        "images": release.images,
        "counts": dict(release.counts),
        "created_at": release.created_at,
        "created_by": release.created_by,
        "withdrawn_why": release.withdrawn_why,
        "place": platform.objects.place(bucket, root_of(release).rstrip("/")),
    }


def _who(request: Request) -> tuple[Desk, Person]:
    return request.app.state.desk, request.state.person
