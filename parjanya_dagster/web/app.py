"""Wires the pages, the pictures, the API and the uploads into one application."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send

from parjanya_dagster.catalog import Catalog
from parjanya_dagster.errors import ParjanyaError, SettingsInvalid
from parjanya_dagster.metrics.measure import measure_home
from parjanya_dagster.platform import Platform
from parjanya_dagster.web import (
    api,
    api_regrade,
    api_review,
    clusters,
    coverage,
    image,
    images,
    pages,
    regrade,
    releases,
    review,
    similar,
)
from parjanya_dagster.web.access import open_keys, read_roles
from parjanya_dagster.web.desk import Desk
from parjanya_dagster.web.door import Door, Guard
from parjanya_dagster.web.hops import Hops, read_networks
from parjanya_dagster.web.limits import Guesses
from parjanya_dagster.web.lookups import Lookups
from parjanya_dagster.web.overview import page as overview
from parjanya_dagster.web.overview.watch import Watch
from parjanya_dagster.web.uploads import create_app as uploads
from parjanya_dagster.web.uploads.body_limit import BodyLimit

LOOPBACK = ("127.0.0.1", "localhost")
RETRY_AFTER = "5"  # seconds


def open_desk(platform: Platform, every: float = 5.0) -> Desk:
    """The desk over a platform. `every`: seconds between two measurements of the layers.

    Raises SettingsInvalid where several desks would each sign with a secret of their own.
    """
    home, web = platform.settings.home, platform.settings.web
    secret = web.secret.get_secret_value()
    if web.processes > 1 and not secret:
        raise SettingsInvalid(
            "PARJANYA_WEB__PROCESSES is more than 1, so PARJANYA_WEB__SECRET must be set, and be "
            "the same for all: a page of one desk would be refused by the others."
        )
    return Desk(
        platform=platform,
        catalog=Catalog(home),
        keys=open_keys(home, secret),
        watch=Watch(lambda: measure_home(platform), platform.clock, every),
        lookups=Lookups(platform.clock),
        start=lambda work: threading.Thread(target=work, daemon=True).start(),
    )


def create_app(desk: Desk, hosts: list[str] | None = None) -> FastAPI:
    """The application. `hosts`: more host names by which browsers may ask for it.

    Other names are refused, so that a script of another page cannot use a name of its own.
    """
    web = desk.platform.settings.web
    app = FastAPI(
        title="Parjanya",
        version="1",
        description="Find images and look at them. Lists come in pages: follow `next`.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=_following,
    )
    app.state.desk = desk
    app.add_exception_handler(ParjanyaError, _explain)
    for path, answer in (
        ("/", overview.page),
        ("/images", images.page),
        ("/images/{image_id}", image.page),
        ("/similar", similar.page),
        ("/clusters", clusters.page),
        ("/review", review.page),
        ("/releases", releases.page),
        ("/releases/coverage", coverage.page),
        ("/regrade", regrade.page),
        ("/regrade/{replay_id}", regrade.one),
        ("/media/{kind}/{image_id}/{seal}", _media),
        ("/static/{hash}/{name}", pages.static),
        ("/healthz", _healthz),
    ):
        app.add_route(path, answer, ["GET"], include_in_schema=False)
    app.add_route("/similar/content", similar.shown_picture, ["POST"], include_in_schema=False)
    app.include_router(api.router)
    app.include_router(similar.router)
    app.include_router(clusters.router)
    app.include_router(api_review.router)
    app.include_router(releases.router)
    app.include_router(coverage.router)
    app.include_router(api_regrade.router)
    app.mount("/uploads", uploads(desk.platform))
    networks = read_networks(web.trusted_proxies)
    door = Door(
        keys=desk.keys,
        clock=desk.clock,
        identity_header=web.identity_header,
        proxies=networks,
        guesses=Guesses(desk.clock, web.processes),
        roles=read_roles(web.roles),
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, door=door)
    app.add_middleware(Hops, networks=networks)
    app.add_middleware(KnownHosts, allowed_hosts=[*LOOPBACK, *web.hosts.split(), *(hosts or ())])
    return app


class KnownHosts(TrustedHostMiddleware):
    """Requests by another name of the host are refused, but for whoever asks if we are well.

    A load balancer asks that by the address of the process.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        well = scope["type"] == "http" and scope["path"] == "/healthz"
        await (self.app if well else super().__call__)(scope, receive, send)


@asynccontextmanager
async def _following(app: FastAPI) -> AsyncIterator[None]:
    """While the application runs, the catalog follows Truth."""
    desk: Desk = app.state.desk
    following = threading.Thread(target=desk.follow, name="catalog", daemon=True)
    following.start()
    yield
    desk.stopping.set()
    desk.lookups.close()
    desk.nudge.set()
    following.join(30)
    desk.catalog.close()


def _media(request: Request) -> Response:
    desk: Desk = request.app.state.desk
    place = request.path_params
    return desk.media.serve(
        request.state.person,
        place["kind"],
        place["image_id"],
        place["seal"],
        request.headers.get("range"),
        request.headers.get("if-none-match", ""),
    )


def _healthz(request: Request) -> Response:
    """Whether Truth answers."""
    request.app.state.desk.platform.probe()
    return JSONResponse({"status": "ok"})


async def _explain(_request: Request, error: Exception) -> Response:
    """The answer to an error: a sentence, and a status that says whether to try again."""
    assert isinstance(error, ParjanyaError)
    status, headers = (503, {"Retry-After": RETRY_AFTER}) if error.transient else (422, {})
    return JSONResponse({"detail": str(error)}, status, {**pages.PRIVATE, **headers})
