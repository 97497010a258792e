"""The door: a request gets a person or is sent away. What changes comes from our own pages."""

from __future__ import annotations

import getpass
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from parjanya_dagster.errors import TooManyRequests
from parjanya_dagster.web.access import SESSION, Keys, Person, Role
from parjanya_dagster.web.hops import Networks, within
from parjanya_dagster.web.limits import Guesses

OPEN = ("/static/", "/healthz", "/uploads/")
"""What needs no person: files that are everybody's, and uploads with tokens of their own."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_HEADER = "x-form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How people are known."""

    keys: Keys
    clock: Callable[[], float]
    guesses: Guesses
    identity_header: str = ""  # in which a proxy names who it signed in; empty: nobody does
    proxies: Networks = ()  # whose header is believed
    roles: Mapping[str, Mapping[str, Role]] = field(
        default_factory=dict
    )  # person -> tenant -> role
    secure: bool = False  # people come by https alone

    def person(self, request: Request) -> Person | None:
        """Whose request this is. None: nobody's. Raises TooManyRequests."""
        if self.identity_header:
            return self._named(request)
        bearer = request.headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            if self.keys.opens(bearer.removeprefix("Bearer ")):
                return Person(name=login_name(), roles={"*": "operator"}, session="bearer")
            self.guesses.wrong(request.state.sender)
        cookie = request.cookies.get(self.keys.cookie, "")
        return self.keys.person(cookie, self.clock()) if cookie else None

    def _named(self, request: Request) -> Person | None:
        host = request.client.host if request.client else ""
        name = request.headers.get(self.identity_header, "")
        roles = self.roles.get(name)
        if not name or not roles or not within(host, self.proxies):
            return None
        return Person(name=name, roles=roles, session=self.keys.signature("person", name))

    def forged(self, request: Request, person: Person) -> bool:
        """Whether a request that changes something was not made by one of our pages."""
        if request.method in SAFE or person.session == "bearer":
            return False
        given = request.headers.get(FORM_HEADER, "")
        return not hmac.compare_digest(given.encode(), self.keys.form_token(person).encode())

    def enter(self, request: Request) -> Response | None:
        """Exchange the token of an address for a session. None: there is none in it.

        A right token always opens. It cannot be guessed, and nobody beside its owner shall be able
        to lock them out by guessing. Raises TooManyRequests.
        """
        token = request.query_params.get("token")
        if token is None or self.identity_header or request.method not in SAFE:
            return None
        if not self.keys.opens(token):
            self.guesses.wrong(request.state.sender)
            return PlainTextResponse(_NO_TOKEN, 403, _PRIVATE)
        rest = [(k, v) for k, v in request.query_params.multi_items() if k != "token"]
        address = request.url.path + (f"?{urlencode(rest)}" if rest else "")
        # A page and no redirect: browsers send no strict cookie where another site began the way.
        answer = HTMLResponse(_WELCOME.format(escape(address)), headers=_PRIVATE)
        answer.set_cookie(
            self.keys.cookie,
            self.keys.session(login_name(), self.clock()),
            max_age=int(SESSION),
            httponly=True,
            samesite="strict",
            secure=self.secure,
        )
        return answer


class Guard:
    """Middleware: lets requests through that come from somebody, and says who in `state.person`."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OPEN):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            answer = self.door.enter(request) or self._let_in(request)
        except TooManyRequests as error:
            answer = _refused(request, 429, str(error))
            answer.headers["Retry-After"] = str(error.retry_after)
        await (answer or self.app)(scope, receive, send)

    def _let_in(self, request: Request) -> Response | None:
        """Say who it is in `state.person`. Otherwise, the answer that sends them away."""
        person = self.door.person(request)
        if person is None:
            return _refused(request, 401, _WHO_NAMED if self.door.identity_header else _WHO)
        if self.door.forged(request, person):
            return _refused(request, 403, "This did not come from a page of this session.")
        request.state.person = person
        return None


def login_name() -> str:
    """Who runs this process: the name under which decisions on this machine are made."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "operator"


def _refused(request: Request, status: int, why: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": why}, status, _PRIVATE)
    return PlainTextResponse(why, status, _PRIVATE)


_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_WELCOME = (
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Parjanya</title>'
    '<meta http-equiv="refresh" content="0;url={0}"><a href="{0}">Continue</a>'
)
_WHO = (
    "Open the address that `parjanya up` or `parjanya web` printed: it has a token in it. "
    "`parjanya web --address` prints it again."
)
_WHO_NAMED = "The proxy before this service did not say who you are, or you have no role here."
_NO_TOKEN = f"This token does not open this desk. {_WHO}"
