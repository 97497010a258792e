"""The page Images: the grid, facets with their counts, search, order. The address is the view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from parjanya_dagster.catalog import FACETS, SORTS, Query
from parjanya_dagster.catalog.catalog import Listed
from parjanya_dagster.catalog.facets import VERDICTS, Facet
from parjanya_dagster.errors import QueryInvalid
from parjanya_dagster.web.access import Person
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.languages import language
from parjanya_dagster.web.pages import render
from parjanya_dagster.web.text import ago, visible

PAGE = 120  # images
SHORT = 8  # values of a facet that are shown at first
LONG = 200  # values of a facet that can be shown
REVIEWS = ("tenant", "verdict", "decided_by", "failure", "sort")  # what a queue has of its own
WORDS = {
    "accept": "Accepted", "review": "For review", "reject": "Rejected", "failed": "Failed",
    "pending": "Under way",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value of a facet in the rail."""

    name: str
    label: str
    images: int
    share: int  # per cent of the most frequent one
    chosen: bool
    address: str  # of the view with it chosen, or no longer


def page(request: Request) -> Response:
    """The page, or with `part=tiles` only the tiles that come next."""
    desk: Desk = request.app.state.desk
    person: Person = request.state.person
    try:
        query = Query.of(request.query_params.multi_items())
    except QueryInvalid:
        return RedirectResponse("/images", 303)
    found = desk.catalog.page(limited(query, person), PAGE)
    shown: dict[str, Any] = {
        "tiles": [tile(desk, person, one) for one in found.images],
        "view": query.address(),
        "more": query.address(found.next) if found.next else None,
    }
    if request.query_params.get("part") == "tiles":
        return render(request, "tiles.html.j2", **shown)
    counts = desk.catalog.counts(limited(query, person))
    names = originals(desk, person, counts["original"], query)
    return render(
        request,
        "images.html.j2",
        **shown,
        query=query,
        total=found.total,
        rail=rail(query, counts, names),
        chips=chips(query, names),
        sorts=[
            (value, label, value == query.sort)
            for name, (smallest, largest) in SORTS.items()
            for value, label in ((f"-{name}", largest), (name, smallest))
        ],
        freshness=freshness(desk),
        one_tenant="".join(query.filters.get("tenant", ())[:1]),
        reviewer=any(role != "viewer" for role in person.roles.values()),
        releaser="operator" in person.roles.values(),
        reviewable=_reviewable(person, query, counts),
    )


def _reviewable(person: Person, query: Query, counts: Mapping[str, Counter[str]]) -> str:
    """The address of the queue of what waits in this view. Empty: nothing does, or of several."""
    tenants = query.filters.get("tenant") or tuple(counts["tenant"])
    if len(tenants) != 1 or not counts["verdict"]["review"]:
        return ""
    if not person.may("reviewer", tenants[0]):
        return ""
    rest = [(name, value) for name, value in query.pairs() if name not in REVIEWS]
    return urlencode([("tenant", tenants[0]), *rest], errors="surrogateescape")


def limited(query: Query, person: Person) -> Query:
    """The view, of what exists to this person."""
    tenants = person.tenants
    return query if tenants is None else replace(query, tenants=tuple(tenants))


def tile(desk: Desk, person: Person, one: Listed) -> dict[str, Any]:
    """What the template of a tile is given."""
    shown = one.shown
    source = None
    if shown["thumbnail"]:
        source = desk.media.address(person, shown["tenant"], one.image_id, "thumbnail")
    return {
        **shown,
        "image_id": one.image_id,
        "source": source,
        "word": WORDS[shown["verdict"]],
        "title": visible(shown["name"]),
        "alt": visible(alt(shown)),
    }


def alt(shown: Mapping[str, Any]) -> str:
    """What a picture shows, for those who do not see it: its caption, or what is known."""
    name = shown["name"].rpartition("/")[2]
    return shown["caption"] or " ".join(filter(None, (shown["category"] or "image", name)))


def rail(
    query: Query,
    counts: Mapping[str, Counter[str]],
    names: Mapping[str, str],
    facets: Sequence[Facet] = FACETS,
) -> list[dict[str, Any]]:
    """The facets that say something about this view."""
    shown = []
    for facet in facets:
        counted, chosen = counts[facet.name], query.filters.get(facet.name, ())
        if not chosen and (len(counted) < 2 and facet.name not in ("verdict", "rule", "failure")):
            continue
        values = _values(facet, query, counted, names)
        if values:
            shown.append(
                {
                    "name": facet.name,
                    "label": facet.label,
                    "open": bool(chosen) or facet.name in ("verdict", "tenant", "rule", "category"),
                    "short": values[:SHORT],
                    "long": values[SHORT:LONG],
                    "rest": max(0, len(values) - LONG),
                }
            )
    return shown


def _values(
    facet: Facet, query: Query, counted: Counter[str], names: Mapping[str, str]
) -> list[Value]:
    chosen = query.filters.get(facet.name, ())
    every = {**dict.fromkeys(chosen, 0), **counted}
    most = max([*counted.values(), 1])
    if facet.name == "verdict":
        order = [verdict for verdict in VERDICTS if verdict in every]
    elif facet.ordered:
        order = sorted(every, reverse=True)
    else:
        order = sorted(every, key=lambda value: (-every[value], value))
    return [
        Value(
            name=value,
            label=label(facet.name, value, names),
            images=every[value],
            share=max(1, round(100 * every[value] / most)) if every[value] else 0,
            chosen=value in chosen,
            address=query.toggled(facet.name, value).address(),
        )
        for value in order
    ]


def label(facet: str, value: str, names: Mapping[str, str]) -> str:
    if facet == "verdict":
        return WORDS.get(value, value)
    if facet in ("rule", "failure", "category"):
        return visible(value).replace("_", " ").replace(".", ": ")
    if facet == "language":
        return visible(language(value))
    return visible(names.get(value, value) if facet == "original" else value)


def originals(desk: Desk, person: Person, counted: Counter[str], query: Query) -> dict[str, str]:
    """The names of images that others are duplicates of: of those that are shown."""
    ids = [value for value, _ in counted.most_common(SHORT)]
    ids += query.filters.get("original", ())
    found = {}
    for image_id in ids:
        row = desk.row(person, image_id)
        if row is not None:
            found[image_id] = row.key.rpartition("/")[2]
    return found


def chips(query: Query, names: Mapping[str, str]) -> Sequence[dict[str, str]]:
    """What the view is limited to, each with the address of the view without it."""
    by_name = {facet.name: facet.label for facet in FACETS}
    return [
        {
            "facet": by_name[facet],
            "label": label(facet, value, names),
            "address": query.toggled(facet, value).address(),
        }
        for facet, values in query.filters.items()
        for value in values
    ]


def freshness(desk: Desk) -> dict[str, Any]:
    """How far behind Truth the catalog is, in words."""
    seen = desk.catalog.freshness()
    if seen.complete_at is None:
        return {"late": True, "words": f"The catalog is being built: {seen.behind} batches to go."}
    lag = max(0.0, desk.clock() - seen.complete_at)
    return {"late": lag > 15.0, "words": f"As Truth was {ago(lag)}."}
