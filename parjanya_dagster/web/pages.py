"""Pages as answers: templates, the frame around each, and the headers that keep them in."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from parjanya_dagster.web import text
from parjanya_dagster.web.access import Person

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PRIVATE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HEADERS = {**PRIVATE, "Content-Security-Policy": POLICY}
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
NAV = (
    ("/", "Overview"),
    ("/images", "Images"),
    ("/review", "Review"),
    ("/releases", "Releases"),
    ("/regrade", "Regrade"),
    ("/uploads/", "Uploads"),
)
OPERATORS = frozenset({"/regrade"})  # pages for those who operate a tenant


def render(request: Request, template: str, status: int = 200, **shown: Any) -> Response:
    """A page, or a part of one, for the person of the request."""
    desk = request.app.state.desk
    person: Person = request.state.person
    html = (
        environment()
        .get_template(template)
        .render(
            person=person.name,
            form_token=desk.keys.form_token(person),
            here=request.url.path,
            nav=[
                (path, label)
                for path, label in NAV
                if path not in OPERATORS or person.operates_some
            ],
            dagster=desk.dagster(),
            **shown,
        )
    )
    return HTMLResponse(html, status, HEADERS)


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("parjanya_dagster.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "visible": text.visible,
        "fact": text.fact,
        "number": text.number,
        "size": text.size,
        "span": text.span,
        "moment": moment,
        "aspect": aspect,
    }
    made.globals["asset"] = asset
    return made


def moment(at: float) -> Markup:
    """A point in time. A script writes it in the reader's zone; without one it is in UTC."""
    when = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        when.strftime("%Y-%m-%dT%H:%M:%SZ"), when.strftime("%Y-%m-%d %H:%M:%S")
    )


def aspect(width: int | None, height: int | None) -> str:
    """The class that gives a tile its width: `a` and twentieths of width by height."""
    ratio = width / height if width and height else 1.0
    return f"a{min(100, max(8, round(20 * ratio)))}"


# files that pages load


def asset(name: str) -> str:
    """The address of a file, with its hash, so that browsers may keep it for ever."""
    return f"/static/{_hash(name)}/{name}"


def static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _names():
        return Response("There is no such file.", 404)
    fresh = request.path_params["hash"] == _hash(name)
    age = "public, max-age=31536000, immutable" if fresh else "no-cache"
    kind = TYPES[name.rpartition(".")[2]]
    headers = {"Cache-Control": age, "X-Content-Type-Options": "nosniff"}
    return Response(_bytes(name), media_type=kind, headers=headers)


@cache
def _names() -> frozenset[str]:
    return frozenset(one.name for one in files(__package__).joinpath("static").iterdir())


@cache
def _bytes(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()


@cache
def _hash(name: str) -> str:
    return hashlib.sha256(_bytes(name)).hexdigest()[:12]
