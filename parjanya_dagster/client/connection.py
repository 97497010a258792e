"""HTTP requests to a desk: credentials, retries, and the errors that refusals become.

Every request may be sent twice. Queries change nothing, and a decision has the id of its request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import BaseModel

from parjanya_dagster.client.messages import Me
from parjanya_dagster.errors import DeskRefused, DeskUnavailable

T = TypeVar("T", bound=BaseModel)
Pairs = Sequence[tuple[str, str]]

PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before each new try
LONGEST_PAUSE = 60.0  # seconds that a desk may ask to wait
BUSY = frozenset({429, 502, 503, 504})
PATIENCE = httpx.Timeout(60.0, connect=10.0)


@dataclass(kw_only=True)
class Connection:
    """A desk, and how it knows who asks."""

    address: str  # without a path
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.address, timeout=PATIENCE)
        self._form_token: str | None = None

    def get(self, kind: type[T], path: str, pairs: Pairs = ()) -> T:
        query = httpx.QueryParams(list(pairs))
        return kind.model_validate(
            self.answer("GET", path, params=query, headers=self.headers).json()
        )

    def post(self, kind: type[T], path: str, body: BaseModel) -> T:
        """Change something. A session behind a proxy must show that it is no other site's."""
        headers = {**self.headers, "X-Form": self._form()}
        sent = body.model_dump(mode="json", exclude_none=True)
        return kind.model_validate(self.answer("POST", path, json=sent, headers=headers).json())

    def send(self, kind: type[T], path: str, content: bytes, pairs: Pairs = ()) -> T:
        """Ask about bytes, in the same way as `post`."""
        headers = {
            **self.headers, "X-Form": self._form(), "Content-Type": "application/octet-stream"
        }  # fmt: skip
        query = httpx.QueryParams(list(pairs))
        return kind.model_validate(
            self.answer("POST", path, params=query, content=content, headers=headers).json()
        )

    def answer(self, method: str, url: str, **sent: Any) -> httpx.Response:
        """The answer, once there is one that says something.

        Raises DeskRefused, DeskUnavailable.
        """
        for wait in (*PAUSES, None):
            try:
                answer = self.http.request(method, url, **sent)
            except httpx.TransportError as error:
                if wait is None:
                    raise DeskUnavailable(f"{self.address} does not answer: {error}") from error
            else:
                if answer.status_code not in BUSY:
                    return checked(answer)
                if wait is None:
                    raise DeskUnavailable(said(answer))
                wait = max(wait, asked_to_wait(answer))
            self.pause(wait)
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        self.http.close()

    def _form(self) -> str:
        if self._form_token is None:
            self._form_token = self.get(Me, "/api/v1/me").form_token
        return self._form_token


def open_connection(
    address: str, token: str, headers: Mapping[str, str], pause: Callable[[float], None]
) -> Connection:
    """`address` may be the one that `parjanya web` prints, with its token in it.

    Raises DeskRefused for one that is no address.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise DeskRefused(f"{address!r} is no address of a desk: it reads http://127.0.0.1:3100.")
    token = token or parse_qs(parts.query).get("token", [""])[0]
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    return Connection(
        address=f"{parts.scheme}://{parts.netloc}", headers={**bearer, **headers}, pause=pause
    )


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, unless it is a refusal. Raises DeskRefused."""
    if answer.is_success:
        return answer
    raise DeskRefused(said(answer), answer.status_code)


def said(answer: httpx.Response) -> str:
    """The sentence of a refusal."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300] or f"The desk answered {answer.status_code}."
    if isinstance(detail, list):  # of a body that does not have the form
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in detail)
    return str(detail)


def asked_to_wait(answer: httpx.Response) -> float:
    """Seconds of the header Retry-After."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), LONGEST_PAUSE) if text.isdigit() else 0.0
