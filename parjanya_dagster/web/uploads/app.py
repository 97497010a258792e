"""Wires routes, page, limits and errors into one ASGI application."""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, Response

from parjanya_dagster.errors import (
    ObjectGone,
    ParjanyaError,
    SettingsInvalid,
    TokenRefused,
    TooManyRequests,
    UnknownUpload,
    UploadRefused,
)
from parjanya_dagster.platform import Platform
from parjanya_dagster.uploads.cors import is_origin
from parjanya_dagster.web.hops import Hops, read_networks
from parjanya_dagster.web.limits import Guesses, shared
from parjanya_dagster.web.uploads import routes
from parjanya_dagster.web.uploads.body_limit import BodyLimit

_STATUS: dict[type[ParjanyaError], int] = {
    TokenRefused: 401,
    UnknownUpload: 404,
    ObjectGone: 404,
    UploadRefused: 422,
}
_ASSETS = {"page.js": "text/javascript", "page.css": "text/css"}
RETRY_AFTER = "5"  # seconds
_GIVEN = "Whoever runs this service gives you one."
_MADE = "If that is you: <code>parjanya uploads token add TENANT</code> makes one."


def create_app(platform: Platform) -> FastAPI:
    """The application over a platform. Raises SettingsInvalid for origins that are none."""
    app = FastAPI(
        title="Parjanya uploads",
        version="1",
        description="Ask for uploads, PUT each file where it is told, watch what becomes of it.",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.platform = platform
    processes = platform.settings.web.processes
    app.state.guesses = Guesses(platform.clock, processes)
    rate = platform.settings.uploads.files_per_minute
    app.state.asked = shared(rate, rate / 60, platform.clock, processes)
    app.include_router(routes.router)
    app.add_exception_handler(ParjanyaError, _explain)
    app.add_api_route("/", _page, include_in_schema=False)
    app.add_api_route("/page/{name}", _asset, include_in_schema=False)
    app.add_middleware(BodyLimit)
    app.add_middleware(Hops, networks=read_networks(platform.settings.web.trusted_proxies))
    app.add_middleware(
        CORSMiddleware,
        allow_origins=_origins(platform.settings.uploads.origins),
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match"],
        expose_headers=["Retry-After"],
    )
    return app


def _origins(text: str) -> list[str]:
    origins = text.split()
    for origin in origins:
        if not is_origin(origin):
            raise SettingsInvalid(
                f"PARJANYA_UPLOADS__ORIGINS: {origin!r} is no web origin. One reads "
                "https://app.example, with no path and no slash at its end."
            )
    return origins


async def _explain(_request: Request, error: Exception) -> Response:
    """The answer to an error: a sentence, and a status that says whether to try again."""
    assert isinstance(error, ParjanyaError)
    headers = {}
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, TooManyRequests):
        status, headers["Retry-After"] = 429, str(error.retry_after)
    elif error.transient:
        status, headers["Retry-After"] = 503, RETRY_AFTER
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"detail": str(error)}, status, headers)


async def _page(request: Request) -> Response:
    html = files(__package__).joinpath("page/index.html").read_text("utf-8")
    if request.scope.get("root_path"):  # a part of the desk
        html = html.replace("<header>", '<header><p><a href="/">← The desk</a></p>', 1)
        html = html.replace(_GIVEN, f"{_GIVEN} {_MADE}", 1)
    return HTMLResponse(html, headers=_guards(request.app.state.platform))


async def _asset(name: str) -> Response:
    if name not in _ASSETS:
        return JSONResponse({"detail": "There is no such page."}, 404)
    body = files(__package__).joinpath(f"page/{name}").read_bytes()
    return Response(body, media_type=_ASSETS[name], headers={"X-Content-Type-Options": "nosniff"})


def _guards(platform: Platform) -> dict[str, str]:
    """What the page may load, and which servers it may call: this one, and the storage."""
    storage = platform.objects.presigned_put("bucket", "key", "image/png", 1, 60)
    reach = "https:"
    if storage is not None and storage.url.startswith("http://"):
        reach += f" http://{urlsplit(storage.url).netloc}"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        f"connect-src 'self' {reach}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
