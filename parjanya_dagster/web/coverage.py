"""What a release lacks, as a page and in the API: how far the nearest released image is from each.

The cost grows with the product of images and released images, so it is computed once, in a thread,
and whoever asks meanwhile is told to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import Response

from parjanya_dagster.client.release_messages import CoverageAsked, CoverageTold, FarListed
from parjanya_dagster.errors import ParjanyaError, ReleaseInvalid
from parjanya_dagster.execution.engines import chosen_space
from parjanya_dagster.release.coverage import QUANTILES, coverage
from parjanya_dagster.release.create import find
from parjanya_dagster.truth.models import Tenant
from parjanya_dagster.truth.releases import Release
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.images import WORDS, tile
from parjanya_dagster.web.lookups import Looked
from parjanya_dagster.web.pages import render

MOST = 200  # images that are told, the farthest first
SHOWN = 60  # of them on the page
VERDICTS = ("accept", "review", "reject")  # that may be asked about
AGAIN = "2"  # seconds after which the page looks again

router = APIRouter(prefix="/api/v1")


def page(request: Request) -> Response:
    """What a release lacks. While it is computed, the page loads itself again."""
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    asked = request.query_params
    owner = desk.platform.store.tenant(asked.get("tenant", ""))
    if owner is None or not person.may("viewer", owner.slug):
        return render(request, "missing.html.j2", status=404, what="release")
    verdict = asked.get("verdict", "")
    verdict = verdict if verdict in VERDICTS else ""
    looked, why = None, ""
    try:
        release = find(desk.platform.store, owner.slug, asked.get("release", ""))
        looked = _look(desk, owner, release, verdict)
    except ParjanyaError as error:
        if error.transient:
            raise
        why = str(error)
    told = looked.body if looked else None
    answer = render(
        request, "coverage.html.j2", ref=asked.get("release", ""), tenant=owner.slug, why=why,
        chosen=verdict, verdicts=[(one, WORDS[one]) for one in VERDICTS], told=told,
        tiles=_tiles(desk, person, told) if told else [], view="", more=None,
    )  # fmt: skip
    if looked is not None and told is None:
        answer.headers["Refresh"] = AGAIN
    return answer


@router.get("/releases/coverage")
def asked(
    request: Request,
    tenant: str,
    release: str,
    verdict: str = "",
    limit: Annotated[int, Query(ge=0, le=MOST)] = 24,
) -> CoverageAsked:
    """How far the nearest released image is from each image of the tenant.

    Ask again until `coverage` is there. 422: nothing can be compared, and a sentence says why.
    """
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    owner = desk.platform.store.tenant(tenant)
    if owner is None or not person.may("viewer", tenant):
        raise HTTPException(404, "There is no such tenant.")
    if verdict and verdict not in VERDICTS:
        raise HTTPException(422, f"verdict: one of {', '.join(VERDICTS)}.")
    looked = _look(desk, owner, find(desk.platform.store, tenant, release), verdict)
    if looked.body is None:
        return CoverageAsked(coverage=None)
    far = [
        FarListed(**one, distance=distance, nearest=nearest)
        for one, distance, nearest in _known(desk, person, looked.body)[:limit]
    ]
    parts = {name: looked.body[name] for name in CoverageTold.model_fields if name != "farthest"}
    return CoverageAsked(coverage=CoverageTold(**parts, farthest=far))


def _look(desk: Desk, owner: Tenant, release: Release, verdict: str) -> Looked:
    """Raises ReleaseInvalid, ReleaseBroken, StorageUnavailable."""
    platform = desk.platform
    space = chosen_space(platform.settings)
    if space is None:
        raise ReleaseInvalid("No vectors are made here: PARJANYA_ENGINES__EMBEDDER is none.")

    def answer(_hear: object) -> Mapping[str, Any]:
        verdicts = (verdict,) if verdict else ()
        found = coverage(platform.store, platform.objects, owner, release, space, verdicts)
        far = zip(found.rows, found.distances.tolist(), found.nearest, range(MOST), strict=False)
        return {
            "release": release.key,
            "space": space.id,
            "images": len(found.rows),
            "released": found.released,
            "missing": found.missing,
            "quantiles": {f"{q:.0%}": round(found.quantile(q), 4) for q in QUANTILES},
            "far": [(row.image_id, round(d, 4), near.image_id) for row, d, near, _ in far],
        }

    return desk.lookups.look(("coverage", release.release_id, owner.slug, verdict), answer)


def _known(
    desk: Desk, person: Person, told: Mapping[str, Any]
) -> list[tuple[dict[str, Any], float, str]]:
    """The farthest images that the catalog has, as lists tell them."""
    listed = desk.catalog.listed(image_id for image_id, _, _ in told["far"])
    found = []
    for image_id, distance, nearest in told["far"]:
        if (one := listed.get(image_id)) is not None:
            thumbnail = None
            if one.shown["thumbnail"]:
                tenant = one.shown["tenant"]
                thumbnail = desk.media.address(person, tenant, image_id, "thumbnail")
            shown = {**one.shown, "image_id": image_id, "thumbnail": thumbnail}
            found.append((shown, distance, nearest))
    return found


def _tiles(desk: Desk, person: Person, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    far = told["far"][:SHOWN]
    listed = desk.catalog.listed(image_id for image_id, _, _ in far)
    return [
        {**tile(desk, person, listed[image_id]), "mark": f"{distance:.3f}"}
        for image_id, distance, _ in far
        if image_id in listed
    ]
