"""The part of the API by which operators decide history again."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request

from parjanya_dagster.client.regrade_messages import (
    Launch,
    PoliciesListed,
    PolicyListed,
    Preview,
    Previewed,
    RegradesListed,
    RegradeTold,
    Report,
    Reported,
    Selection,
)
from parjanya_dagster.truth.models import Regrade
from parjanya_dagster.truth.pins import pinned
from parjanya_dagster.web import regrading
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk

MOST = 20  # regrades that are listed

router = APIRouter(prefix="/api/v1")


@router.get("/policies")
def policies(request: Request) -> PoliciesListed:
    """Every published version, and which of your tenants are pinned to it."""
    desk, person = _who(request)
    store = desk.platform.store
    tenants = pinned(store.tenants())
    return PoliciesListed(
        policies=[
            PolicyListed(
                policy=one.ref,
                hash=one.hash,
                published_at=one.published_at,
                tenants=[slug for slug in tenants.get(one.ref, ()) if person.role(slug)],
            )
            for one in store.policies()
        ]
    )


@router.post("/regrades/preview")
def preview(request: Request, wanted: Selection) -> Previewed:
    """What a regrade would do. Nothing is written. Ask again until `preview` is there."""
    desk, person = _who(request)
    asked = regrading.asked_for(
        desk, person, wanted.policy, wanted.tenants, wanted.since, wanted.until
    )
    looked = regrading.preview_of(desk, asked)
    body = None if looked.body is None else Preview.model_validate(looked.body)
    return Previewed(done=looked.done, of=looked.of, preview=body)


@router.post("/regrades")
def launch(request: Request, wanted: Launch) -> RegradeTold:
    """Decide these images again, and pin their tenants to the policy. It goes on by itself."""
    desk, person = _who(request)
    asked = regrading.asked_for(
        desk,
        person,
        wanted.policy,
        wanted.tenants,
        wanted.since,
        wanted.until,
        regrading.id_of(person, wanted.request_id),
    )
    store = desk.platform.store
    if store.regrade(asked.replay_id) is None:
        regrading.launch(desk, asked)
    return regrading.told(desk, store.regrade(asked.replay_id) or asked)


@router.get("/regrades")
def regrades(request: Request) -> RegradesListed:
    """The last ones of tenants that you operate, the newest first."""
    desk, person = _who(request)
    last = regrading.last(desk, person)[:MOST]
    return RegradesListed(regrades=[regrading.told(desk, one) for one in last])


@router.get("/regrades/{replay_id}")
def regrade(request: Request, replay_id: str) -> RegradeTold:
    """How far it is."""
    desk, person = _who(request)
    return regrading.told(desk, _own(desk, person, replay_id))


@router.get("/regrades/{replay_id}/report")
def report(request: Request, replay_id: str) -> Reported:
    """What it has changed so far. Ask again until `report` is there."""
    desk, person = _who(request)
    looked = regrading.report_of(desk, _own(desk, person, replay_id))
    body = None if looked.body is None else Report.model_validate(looked.body)
    return Reported(done=looked.done, of=looked.of, report=body)


def _who(request: Request) -> tuple[Desk, Person]:
    """Raises HTTPException for whoever operates no tenant."""
    person: Person = request.state.person
    if not person.operates_some:
        raise HTTPException(404, "There is nothing for you to regrade.")
    return request.app.state.desk, person


def _own(desk: Desk, person: Person, replay_id: str) -> Regrade:
    """Raises HTTPException where there is none that this person may see."""
    found = regrading.own(desk, person, replay_id)
    if found is None:
        raise HTTPException(404, "There is no such regrade.")
    return found
