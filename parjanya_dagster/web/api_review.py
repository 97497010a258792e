"""The part of the API by which people decide: the queue with its leases, and decisions."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from parjanya_dagster.review.decide import Asked, Told, decide
from parjanya_dagster.review.queue import next_images
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.review import asked as shown

LEASE = 120.0  # seconds for which images are kept for a person who has them on a page
MOST = 60  # images that are kept for a person at once
MOST_AT_ONCE = 500  # decisions of one request
_STATUS = {"stale": 409, "not_now": 503, "refused": 422, "unknown": 404}

router = APIRouter(prefix="/api/v1")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wanted(_Body):
    """The next images of a tenant's queue."""

    tenant: str
    n: int = Field(default=8, ge=1, le=MOST)
    skip: list[str] = Field(default=[], max_length=5000, description="Not these.")
    order: Literal["oldest", "doubt"] = "oldest"


class Kept(_Body):
    """Images that are kept for the person who asks."""

    image_ids: list[str] = Field(max_length=MOST)


class Decision(_Body):
    """A decision, on what was shown."""

    action: Literal["accept", "reject", "undo"]
    request_id: str = Field(
        min_length=8, max_length=100, description="Yours: the same one twice is one decision."
    )
    note: str = Field(default="", max_length=2000)
    seen: int | None = Field(default=None, description="How many decisions were shown with it.")
    evidence: dict[str, str] | None = Field(
        default=None, description="The evidence that was shown: stage, fingerprint."
    )


class Named(Decision):
    image_id: str


class Decisions(_Body):
    """Several decisions. What one is refused for stops no other."""

    decisions: list[Named] = Field(max_length=MOST_AT_ONCE)


@router.post("/review/claim")
def claim(request: Request, wanted: Wanted) -> dict[str, Any]:
    """Keep images for who asks, and for nobody else, for two minutes: extend it meanwhile."""
    desk, person = _who(request)
    _require(person, wanted.tenant)
    store = desk.platform.store
    rows = next_images(
        store,
        wanted.tenant,
        person.name,
        desk.clock(),
        lease=LEASE,
        n=wanted.n,
        skip=wanted.skip,
        order=wanted.order,
    )
    return {
        "images": shown(desk, person, rows),
        "waiting": store.waiting_for_review(wanted.tenant),
        "lease": LEASE,
    }


@router.post("/review/extend")
def extend(request: Request, kept: Kept) -> dict[str, list[str]]:
    """Keep them for longer. Those that come back are still kept for who asks."""
    desk, person = _who(request)
    store = desk.platform.store
    return {"kept": sorted(store.extend_review(kept.image_ids, person.name, desk.clock(), LEASE))}


@router.post("/review/release")
def release(request: Request, kept: Kept) -> dict[str, bool]:
    """Let others have them."""
    desk, person = _who(request)
    desk.platform.store.release_review(kept.image_ids, person.name)
    return {"released": True}


@router.post("/images/{image_id}/review")
def review(request: Request, image_id: str, decision: Decision) -> Response:
    """Decide one image.

    409: it was decided meanwhile, and `newer` says by whom. 503: the policy decides it just now,
    so ask again. A request that was recorded before is answered as it was then.
    """
    desk, person = _who(request)
    told = _decided(desk, person, image_id, decision)
    desk.nudge.set()
    return JSONResponse(_body(told), 200 if told.good else _STATUS[told.result])


@router.post("/reviews")
def reviews(request: Request, body: Decisions) -> dict[str, list[dict[str, Any]]]:
    """Decide several images. Each one's outcome is told."""
    desk, person = _who(request)
    told = [_body(_decided(desk, person, one.image_id, one)) for one in body.decisions]
    desk.nudge.set()
    return {"decisions": told}


def _decided(desk: Desk, person: Person, image_id: str, decision: Decision) -> Told:
    asked = Asked(
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
        return Told(asked=asked, result="unknown", says="There is no such image.")
    if not person.may("reviewer", row.tenant):
        return Told(asked=asked, result="refused", says="You may look at it, and not decide.")
    return decide(desk.platform.store, asked, desk.clock())


def _body(told: Told) -> dict[str, Any]:
    return {**told.body(), "good": told.good}


def _who(request: Request) -> tuple[Desk, Person]:
    return request.app.state.desk, request.state.person


def _require(person: Person, tenant: str) -> None:
    if not person.may("reviewer", tenant):
        raise HTTPException(404, "There is no such tenant for you to review.")
