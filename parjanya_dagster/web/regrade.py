"""The page Regrade: a preview of what would change, the launch, the progress, and the way back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from parjanya_dagster.errors import PolicyUnusable, RegradeInvalid, UnknownTenant
from parjanya_dagster.regrade.report import policy_before
from parjanya_dagster.truth.models import Regrade
from parjanya_dagster.web import regrading
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.images import WORDS
from parjanya_dagster.web.pages import render

RECENT = 10  # regrades that are listed


def page(request: Request) -> Response:
    """The form, and once it names a policy and tenants, the preview. The address is the view.

    `part=1`: the preview alone.
    """
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    tenants = regrading.operated(desk, person)
    if not tenants and not person.operates_some:
        return render(request, "missing.html.j2", status=404, what="page for you")
    query = request.query_params
    wanted, chosen = query.get("to", ""), query.getlist("tenant")
    since, until = query.get("since", ""), query.get("until", "")
    answer: dict[str, Any] = {"preview": None, "asked": None, "looked": None, "wrong": ""}
    if wanted:
        try:
            asked = regrading.asked_for(desk, person, wanted, chosen, since, until)
            answer |= _previewed(desk, person, asked)
        except (RegradeInvalid, UnknownTenant, PolicyUnusable) as error:
            answer["wrong"] = str(error)
    shown = {**answer, "words": WORDS, "again": f"/regrade?{_address(request)}"}
    if "part" in query:
        return render(request, "regrade_preview.html.j2", **shown)
    return render(
        request,
        "regrade.html.j2",
        **shown,
        status=422 if answer["wrong"] else 200,
        policies=sorted((one.ref for one in desk.platform.store.policies()), key=_newest_first),
        now={one.slug: one.policy for one in desk.platform.store.tenants() if one.slug in tenants},
        wanted=wanted,
        tenants=tenants,
        chosen=chosen or (tenants if len(tenants) == 1 else []),
        since=since,
        until=until,
        recent=[regrading.told(desk, one) for one in regrading.last(desk, person)[:RECENT]],
    )


def _newest_first(ref: str) -> tuple[str, int]:
    """By name, and the latest version of each first."""
    name, _, version = ref.rpartition("@")
    return name, -int(version)


def one(request: Request) -> Response:
    """One regrade: how far it is, what it changed, the way back. `part=1`: that alone."""
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    regrade = regrading.own(desk, person, request.path_params["replay_id"])
    if regrade is None:
        return render(request, "missing.html.j2", status=404, what="regrade")
    told = regrading.told(desk, regrade)
    looked = regrading.report_of(desk, regrade) if told.done else None
    changed = looked.body if looked else None
    before = policy_before(desk.platform.store, regrade)
    shown: dict[str, Any] = {
        "regrade": told,
        "done": told.done,
        "looked": looked,
        "changed": changed,
        "flips": regrading.shown_flips(desk, person, changed["flips"]) if changed else [],
        "back": _selection(regrade, before) if before else None,
        "before": before,
        "images": urlencode(
            [("policy", told.policy), *(("tenant", slug) for slug in told.tenants)]
        ),
        "words": WORDS,
        "again": None if changed else f"/regrade/{regrade.replay_id}?part=1",
    }
    part = "_part" if "part" in request.query_params else ""
    return render(request, f"regrade_one{part}.html.j2", **shown)


def _previewed(desk: Desk, person: Person, asked: Regrade) -> dict[str, Any]:
    looked = regrading.preview_of(desk, asked)
    found: dict[str, Any] = {"asked": asked, "looked": looked, "preview": looked.body}
    if looked.body is not None:
        found["lapsing"] = regrading.shown(desk, person, looked.body["lapsing"])
        found["flips"] = regrading.shown_flips(desk, person, looked.body["flips"])
    return found


def _address(request: Request) -> str:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "part"]
    return urlencode([*pairs, ("part", "1")], errors="surrogateescape")


def _selection(regrade: Regrade, policy: str) -> str:
    """The address of the preview of the same images under another policy."""
    pairs = [("to", policy), *(("tenant", slug) for slug in regrade.tenants)]
    pairs += [("since", regrade.since)] if regrade.since else []
    pairs += [("until", regrade.until)] if regrade.until else []
    return f"/regrade?{urlencode(pairs)}"
