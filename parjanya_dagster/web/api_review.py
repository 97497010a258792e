"""The part of the API by which people decide: the queue with its leases, and decisions."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import Field

from parjanya_dagster.client.messages import (
    Asked,
    Decision,
    DecisionOf,
    Decisions,
    ReviewsTold,
    ReviewTold,
    Told,
)
from parjanya_dagster.review import decide as deciding
from parjanya_dagster.review.queue import Order, next_groups, next_images
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.review import asked as shown
from parjanya_dagster.web.review import ids_of, narrowed, read_view

LEASE = 120.0  # seconds for which images are kept for a person who has them on a page
MOST = 60  # images that are kept for a person at once
_STATUS = {"stale": 409, "not_now": 503, "refused": 422, "unknown": 404}

router = APIRouter(prefix="/api/v1")


class Wanted(Asked):
    """The next images of a tenant's queue."""

    tenant: str
    n: int = Field(default=8, ge=1, le=MOST)
    skip: list[str] = Field(default=[], max_length=5000, description="Not these.")
    order: Order = Field(
        default="oldest",
        description="`alike`: groups of look-alikes, each of them whole. `teach`: what the "
        "tenant's taste would learn most from.",
    )
    where: str = Field(
        default="", max_length=5000, description="A view: rule=poor_quality&q=dog. Empty: all."
    )


class Kept(Asked):
    """Images that are kept for the person who asks."""

    image_ids: list[str] = Field(max_length=MOST)


class Earlier(Told):
    """The image that another one is a duplicate of."""

    image_id: str
    name: str
    verdict: str | None
    thumbnail: str
    preview: str


class Shown(Told):
    """An image as it is shown to who decides about it, with what a decision must name."""

    image_id: str
    group: str | None = Field(description="The same for those that look alike. Null: it is alone.")
    tenant: str
    name: str
    seen: int = Field(description="How many decisions of people there are.")
    evidence: dict[str, str]
    policy: str | None
    verdict: str | None
    reasons: list[str]
    category: str | None
    caption: str | None
    quality: float | None
    width: int | None
    height: int | None
    thumbnail: str | None
    preview: str | None
    earlier: Earlier | None = Field(description="The image that it is a duplicate of.")


class Claimed(Told):
    """Images that are kept for who asked."""

    images: list[Shown]
    waiting: int = Field(description="With a view: as the catalog counts them.")
    lease: float = Field(description="Seconds.")


class Extended(Told):
    kept: list[str]


class Released(Told):
    released: bool


@router.post("/review/claim")
def claim(request: Request, wanted: Wanted) -> Claimed:
    """Keep images for who asks, and for nobody else, for two minutes: extend it meanwhile."""
    desk, person = _who(request)
    _require(person, wanted.tenant)
    store = desk.platform.store
    now = desk.clock()
    queue = narrowed(read_view(wanted.where), wanted.tenant)
    view = ids_of(desk.catalog, queue) if wanted.where else None
    if wanted.order == "alike":
        groups = next_groups(
            store,
            wanted.tenant,
            person.name,
            now,
            lease=LEASE,
            n=wanted.n,
            most=MOST,
            skip=wanted.skip,
            view=view,
        )
    else:
        rows = next_images(
            store,
            wanted.tenant,
            person.name,
            now,
            lease=LEASE,
            n=wanted.n,
            skip=wanted.skip,
            order=wanted.order,
            tastes=desk.platform.tastes,
            view=view,
        )
        groups = [[row] for row in rows]
    group_of = {row.image_id: group[0].image_id for group in groups for row in group if group[1:]}
    found = shown(desk, person, [row for group in groups for row in group])
    return Claimed(
        images=[
            Shown.model_validate({**one, "group": group_of.get(one["image_id"])}) for one in found
        ],
        waiting=desk.catalog.page(queue, 1).total
        if wanted.where
        else store.waiting_for_review(wanted.tenant),
        lease=LEASE,
    )


@router.post("/review/extend")
def extend(request: Request, kept: Kept) -> Extended:
    """Keep them for longer. Those that come back are still kept for who asks."""
    desk, person = _who(request)
    store = desk.platform.store
    held = store.extend_review(kept.image_ids, person.name, desk.clock(), LEASE)
    return Extended(kept=sorted(held))


@router.post("/review/release")
def release(request: Request, kept: Kept) -> Released:
    """Let others have them."""
    desk, person = _who(request)
    desk.platform.store.release_review(kept.image_ids, person.name)
    return Released(released=True)


@router.post("/images/{image_id}/review", responses={409: {"model": ReviewTold}})
def review(request: Request, response: Response, image_id: str, decision: Decision) -> ReviewTold:
    """Decide one image.

    409: it was decided meanwhile, and `newer` says by whom. 503: the policy decides it just now,
    so ask again. A request that was recorded before is answered as it was then.
    """
    desk, person = _who(request)
    told = _decided(desk, person, image_id, decision)
    desk.nudge.set()
    if not told.good:
        response.status_code = _STATUS[told.result]
    return told


@router.post("/reviews")
def reviews(request: Request, body: Decisions) -> ReviewsTold:
    """Decide several images. Each one's outcome is told."""
    desk, person = _who(request)
    told = [_decided(desk, person, one.image_id, one) for one in body.decisions]
    desk.nudge.set()
    return ReviewsTold(decisions=told)


def _decided(
    desk: Desk, person: Person, image_id: str, decision: Decision | DecisionOf
) -> ReviewTold:
    asked = deciding.Asked(
        image=image_id,
        who=person.name,
        action=decision.action,
        request_id=decision.request_id,
        note=decision.note,
        seen=decision.seen,
        evidence=decision.evidence,
    )
    row = desk.row(person, image_id)
    if row is None:
        told = deciding.Told(asked=asked, result="unknown", says="There is no such image.")
    elif not person.may("reviewer", row.tenant):
        told = deciding.Told(
            asked=asked, result="refused", says="You may look at it, and not decide."
        )
    else:
        told = deciding.decide(desk.platform.store, asked, desk.clock())
    return ReviewTold.model_validate({**told.body(), "good": told.good})


def _who(request: Request) -> tuple[Desk, Person]:
    return request.app.state.desk, request.state.person


def _require(person: Person, tenant: str) -> None:
    if not person.may("reviewer", tenant):
        raise HTTPException(404, "There is no such tenant for you to review.")
