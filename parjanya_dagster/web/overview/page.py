"""The page Overview: the four layers, what waits for people, and what the doctor finds."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from parjanya_dagster.web.pages import render


def page(request: Request) -> Response:
    """The whole page, or with `part=1` only what changes."""
    desk, person = request.app.state.desk, request.state.person
    shown = desk.watch.look()
    if person.tenants is not None:  # the layers are those of all tenants together
        own = [one for one in shown["tenants"] if one["tenant"] in person.tenants]
        return render(request, "tenants.html.j2", tenants=own, at=shown["at"])
    template = "overview_part.html.j2" if "part" in request.query_params else "overview.html.j2"
    return render(request, template, every_ms=int(1000 * max(1.0, desk.watch.every)), **shown)
