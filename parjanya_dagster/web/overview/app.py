"""The page as a small web application. It only reads."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from parjanya_dagster.metrics.latest import Latest
from parjanya_dagster.metrics.measure import TRUTH, Measured
from parjanya_dagster.web.overview.view import ended, view
from parjanya_dagster.web.overview.words import line_points

KEPT = 360  # measurements in the curve: half an hour at five seconds
WINDOW = 60.0  # seconds that the rate is taken over


class Watch:
    """Measurements for the page. One serves all requests within `every` seconds."""

    def __init__(
        self, measure: Callable[[], Measured], clock: Callable[[], float], every: float
    ) -> None:
        self._latest, self.every = Latest(measure, clock, every), every
        self._lock = threading.Lock()
        self._seen: Measured | None = None
        self._ended: deque[tuple[float, int]] = deque(maxlen=KEPT)
        self._due: deque[float] = deque(maxlen=KEPT)

    def look(self) -> dict[str, Any]:
        """What the page shows now."""
        with self._lock:
            seen = self._latest.look()
            if seen is not self._seen:
                self._seen = seen
                self._remember(seen)
            shown = view(seen, self._per_minute())
            return {**shown, "backlog": line_points(list(self._due), 600.0, 46.0)}

    def _remember(self, seen: Measured) -> None:
        if seen.facts.snapshot is not None:
            self._due.append(float(sum(due.rows for due in seen.facts.snapshot.due)))
        if seen.readable(TRUTH):
            self._ended.append((seen.facts.now, ended(seen)))

    def _per_minute(self) -> float | None:
        """Images that ended per minute, over about the last minute."""
        if len(self._ended) < 2:
            return None
        now, last = self._ended[-1]
        at, first = next(sample for sample in self._ended if now - sample[0] <= WINDOW)
        return 60.0 * max(0, last - first) / (now - at) if now > at else None


def application(watch: Watch, hosts: list[str]) -> Starlette:
    """The application over a watch. `hosts`: the host names that a request may ask for.

    Other names are refused, so that a script of another page cannot use a name of its own.
    """
    templates = Environment(
        loader=PackageLoader("parjanya_dagster.web.overview", "."), autoescape=True
    )

    def page(_: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        html = templates.get_template("page.html.j2").render(
            **watch.look(), nonce=nonce, every_ms=int(1000 * max(1.0, watch.every))
        )
        allowed = (
            f"default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'; "
            f"style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        return HTMLResponse(html, headers={"Content-Security-Policy": allowed, **_HEADERS})

    def part(_: Request) -> Response:
        html = templates.get_template("part.html.j2").render(**watch.look())
        return HTMLResponse(html, headers=_HEADERS)

    def alive(_: Request) -> Response:
        return JSONResponse({"answers": True})

    return Starlette(
        routes=[Route("/", page), Route("/part", part), Route("/healthz", alive)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
    )


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
