"""Requests to an OpenAI-compatible server, with timeouts, retries and backoff.

Knows chat completions as JSON, and nothing of images or prompts.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from gpu_ops.endpoint.window import Window

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""
TOO_MUCH = frozenset({429, 503})
"""Statuses of a server that is asked for more than it can do."""
ABORTED = frozenset({"abort", "error"})
"""Reasons of vLLM and SGLang to end an answer that are a fault of the server."""
REFUSED = frozenset({400, 413, 415, 422})
"""Statuses that speak of the request itself: this image, or how it was asked about."""
SAID = 300  # characters of an error body that are repeated


class EndpointError(RuntimeError):
    """The model server gave no usable answer."""

    transient: ClassVar[bool] = True


class EndpointUnavailable(EndpointError):
    """The model server cannot be reached, is overloaded, or fails: the same work may succeed."""


class EndpointMisconfigured(EndpointError):
    """The model server knows neither this key nor this model: no image is at fault."""


class RequestRefused(EndpointError):
    """The model server refuses this one request."""

    transient = False


@dataclass(frozen=True)
class GracePeriods:
    """How long one request may take, all attempts together. In seconds."""

    timeout: float = 120.0  # of one attempt
    connect: float = 10.0  # of an attempt, until the server is reached
    attempts: int = 5
    first: float = 0.5  # before the second attempt, doubling, with jitter
    most: float = 20.0  # of one wait, whatever the server asks for
    rest: float = 15.0  # after the server did not answer, nobody asks again for this long


@dataclass
class Client:
    """A client of one server; safe to use from many threads. `close()` when done."""

    url: str  # up to and with /v1
    key: str = ""
    connections: int = 64  # at most; how many the server wants is found by feedback
    patience: GracePeriods = field(default_factory=GracePeriods)
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pause: Callable[[float], object] = time.sleep
    rng: random.Random = field(default_factory=random.Random)
    losses: int = field(default=0, init=False)  # of connections, and answers that never came
    _http: Any = field(default=None, init=False)
    _threads: ThreadPoolExecutor | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _window: Window = field(init=False)
    _away: tuple[float, str] = field(default=(0.0, ""), init=False)  # until when, and why

    def __post_init__(self) -> None:
        self._window = Window(self.connections)

    def chat(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """One chat completion. Raises EndpointUnavailable, EndpointMisconfigured, RequestRefused.

        The answer is a dict with at least one choice that has a message.
        """
        return self._asked("POST", "chat/completions", payload, _is_completion)

    def embedding(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """One vector, as `data[0].embedding`: a list of numbers. Raises as `chat` does."""
        return self._asked("POST", "embeddings", payload, _is_embedding)

    def models(self) -> list[dict[str, Any]]:
        """What the server serves, each with at least an `id`. Raises as `chat` does."""
        answer = self._asked("GET", "models", None, _is_listing)
        return [dict(model) for model in answer["data"]]

    def version(self) -> dict[str, Any]:
        """What the server says of its own version. Empty where it says nothing.

        Beside the protocol, not of it: vLLM has /version, SGLang /server_info, others neither.
        Raises EndpointUnavailable where it does not answer at all.
        """
        root = self.url.rstrip("/").removesuffix("/v1")
        for path in ("version", "server_info"):
            try:
                _, answer = self._once("GET", f"{root}/{path}", None, _tells_version)
            except (EndpointMisconfigured, RequestRefused):
                continue
            if isinstance(answer, dict):
                return answer
        return {}

    def submit(self, work: Callable[..., T], *given: Any, **named: Any) -> Future[T]:
        """Do work in a thread. There are as many threads as connections."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.connections, "endpoint")
            return self._threads.submit(work, *given, **named)

    def close(self) -> None:
        """End threads, without what has not begun, and close connections. The next call opens
        others."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)
        with self._lock:
            if self._http is not None:
                self._http.close()
                self._http = None

    def _asked(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any] | None,
        usable: Callable[[Any], bool],
    ) -> dict[str, Any]:
        until, why = self._away
        if self.clock() < until:  # it did not answer a moment ago: do not wait for that again
            raise EndpointUnavailable(why)
        for attempt in range(1, self.patience.attempts + 1):
            asked_for, answer = self._once(method, path, payload, usable)
            if isinstance(answer, dict):
                return answer
            if attempt < self.patience.attempts:
                self.pause(self._wait(attempt, asked_for))
        why = f"{self.url} did not answer in {self.patience.attempts} attempts; the last: {answer}"
        self._away = (self.clock() + self.patience.rest, why)
        raise EndpointUnavailable(why)

    def _once(
        self,
        method: str,
        path: str,
        payload: Mapping[str, Any] | None,
        usable: Callable[[Any], bool],
    ) -> tuple[float | None, dict[str, Any] | str]:
        """The answer, or what went wrong. Also the wait that the server asks for, if it does."""
        import httpx

        entered, began, too_much = self._window.enter(), self.clock(), False
        try:
            response = self._connected().request(method, path, json=payload)
            slow = self.clock() - began > self.patience.timeout / 2  # the next might be too late
            too_much = slow or response.status_code in TOO_MUCH
        except httpx.HTTPError as error:
            too_much = isinstance(error, httpx.TimeoutException)
            self.losses += 1
            return None, f"{type(error).__name__}: {error}"
        finally:
            self._window.leave(entered, busy=too_much)
        status = response.status_code
        if status in REFUSED:
            raise RequestRefused(f"{self.url} answered {status}: {_body(response)}")
        if status in BUSY or status >= 500:
            return self._retry_after(response), f"{status}: {_body(response)}"
        if status != 200:
            raise EndpointMisconfigured(f"{self.url} answered {status}: {_body(response)}")
        try:
            answer = response.json()
        except ValueError:
            return None, f"no JSON but {_body(response)!r}"
        if not usable(answer):
            return None, f"no usable answer but {_body(response)!r}"
        return None, answer

    def _connected(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._http is None:
                self._http = httpx.Client(
                    base_url=self.url.rstrip("/") + "/",
                    timeout=httpx.Timeout(
                        self.patience.timeout,
                        connect=min(self.patience.timeout, self.patience.connect),
                    ),
                    limits=httpx.Limits(max_connections=self.connections),
                    headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
                )
            http: httpx.Client = self._http
            return http

    def _wait(self, attempt: int, asked_for: float | None) -> float:
        """Seconds. What the server asks for, or a doubling; never less than half of it."""
        if asked_for is not None:
            # The server gave all callers the same time: jitter keeps them from coming at once.
            return min(self.patience.most, asked_for + self.rng.uniform(0.0, self.patience.first))
        longest = min(self.patience.most, self.patience.first * 2.0 ** (attempt - 1))
        return self.rng.uniform(longest / 2, longest)

    def _retry_after(self, response: httpx.Response) -> float | None:
        """The header Retry-After: seconds, or a date."""
        value = response.headers.get("retry-after", "").strip()
        if not value:
            return None
        try:
            seconds = float(value)
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(value) - self.now()).total_seconds()
            except (TypeError, ValueError):
                return None
        return max(0.0, seconds) if seconds == seconds else None


def _is_completion(answer: Any) -> bool:
    try:
        choice = answer["choices"][0]
        return isinstance(choice["message"], dict) and choice.get("finish_reason") not in ABORTED
    except (KeyError, IndexError, TypeError):
        return False


def _is_embedding(answer: Any) -> bool:
    try:
        vector = answer["data"][0]["embedding"]
    except (KeyError, IndexError, TypeError):
        return False
    return (
        isinstance(vector, list)
        and bool(vector)
        and all(isinstance(x, (int, float)) for x in vector)
    )


def _is_listing(answer: Any) -> bool:
    try:
        return all("id" in model for model in answer["data"])
    except (KeyError, TypeError):
        return False


def _tells_version(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("version"), str)


def _body(response: httpx.Response) -> str:
    return " ".join(response.text.split())[:SAID]
