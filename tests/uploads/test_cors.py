"""What a browser makes of the answer to a preflight, and what rules look like that cannot work."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from parjanya_dagster.uploads.cors import (
    PUT_HEADERS,
    is_origin,
    judge,
    objections,
    preflight,
)

ORIGIN = "https://app.example"
WANTED = sorted(PUT_HEADERS)
GOOD = {
    "Access-Control-Allow-Origin": ORIGIN,
    "Access-Control-Allow-Methods": "GET, PUT",
    "Access-Control-Allow-Headers": "Content-Type, If-None-Match",
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Access-Control-Allow-Origin": "*"},
        {"Access-Control-Allow-Methods": "*"},
        {"Access-Control-Allow-Headers": "*"},
        {"Access-Control-Allow-Headers": "content-type,if-none-match,x-other"},
    ],
)
def test_an_answer_that_allows_it_passes(change: dict[str, str]) -> None:
    verdict = judge(200, {**GOOD, **change}, ORIGIN, "PUT", WANTED)
    assert verdict.passed
    assert ORIGIN in verdict.reason


@pytest.mark.parametrize(
    ("status", "change", "said"),
    [
        (403, {}, "answered 403"),
        (301, {}, "answered 301"),
        (307, {}, "no browser follows it"),
        (200, {"Access-Control-Allow-Origin": None}, "allows no origin"),
        (200, {"Access-Control-Allow-Origin": "https://app.example/"}, "not https://app.example"),
        (200, {"Access-Control-Allow-Origin": "http://app.example"}, "allows http://app.example"),
        (200, {"Access-Control-Allow-Origin": "null"}, "allows null"),
        (200, {"Access-Control-Allow-Methods": "GET, POST"}, "not PUT"),
        (200, {"Access-Control-Allow-Methods": "put"}, "not PUT"),  # as the standard has it
        (200, {"Access-Control-Allow-Methods": None}, "no method"),
        (200, {"Access-Control-Allow-Headers": "content-type"}, "header if-none-match"),
        (200, {"Access-Control-Allow-Headers": None}, "header content-type or if-none-match"),
    ],
)
def test_an_answer_that_does_not_is_refused_with_the_reason(
    status: int, change: dict[str, str | None], said: str
) -> None:
    headers = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    verdict = judge(status, headers, ORIGIN, "PUT", WANTED)
    assert not verdict.passed
    assert verdict.answered
    assert said in verdict.reason


def test_a_star_does_not_stand_for_authorization() -> None:
    answer = {**GOOD, "Access-Control-Allow-Headers": "*"}
    assert "authorization" in judge(200, answer, ORIGIN, "PUT", ["authorization"]).reason


@contextmanager
def answering(status: int, headers: dict[str, str]) -> Iterator[tuple[str, list[Any]]]:
    """A server that answers every preflight the same, and what it was asked."""
    asked: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            asked.append((self.path, dict(self.headers)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_preflight_asks_what_a_browser_asks_and_tells_no_signature() -> None:
    with answering(200, GOOD) as (url, asked):
        assert preflight(f"{url}/bucket/key?X-Amz-Signature=secret", ORIGIN).passed
    ((path, headers),) = asked
    assert path == "/bucket/key"
    assert headers["Origin"] == ORIGIN
    assert headers["Access-Control-Request-Method"] == "PUT"
    assert headers["Access-Control-Request-Headers"] == "content-type,if-none-match"


def test_a_redirect_is_not_followed() -> None:
    with (
        answering(200, GOOD) as (good, asked),
        answering(307, {**GOOD, "Location": f"{good}/bucket/key"}) as (url, _),
    ):
        verdict = preflight(f"{url}/bucket/key", ORIGIN)
    assert not verdict.passed
    assert verdict.status == 307
    assert asked == []


def test_a_server_that_is_away_is_no_answer() -> None:
    with answering(200, GOOD) as (url, _):
        pass
    verdict = preflight(f"{url}/bucket/key", ORIGIN)
    assert (verdict.passed, verdict.answered) == (False, False)
    assert "did not answer" in verdict.reason


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("https://app.example", True),
        ("http://localhost:3000", True),
        ("http://[::1]:8400", True),
        ("null", False),
        ("https://app.example/", False),
        ("app.example", False),
        ("https://app.example\r\nX: y", False),
        ("https://app.example\n", False),
        ("https://ａpp.example", False),
        ("https://" + "a" * 250, False),
        ("", False),
    ],
)
def test_what_is_an_origin(text: str, one: bool) -> None:
    assert is_origin(text) is one


def rule(*origins: str, methods: Any = ("PUT",), headers: Any = ("*",)) -> dict[str, Any]:
    return {"AllowedOrigins": origins, "AllowedMethods": methods, "AllowedHeaders": headers}


@pytest.mark.parametrize(
    "good",
    [
        rule("*"),
        rule(ORIGIN, methods=("GET", "PUT"), headers=("Content-Type", "If-None-Match")),
        rule("https://*.example"),
        rule("https://other.example", "https://*"),
    ],
)
def test_rules_that_allow_an_origin_are_good(good: dict[str, Any]) -> None:
    assert objections([good], [ORIGIN]) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (rule("https://*.example.*"), "more than one '*'"),
        (rule("app.example"), "no scheme"),
        (rule("https://app.example/"), "final slash"),
        (rule("https://App.example"), "capitals"),
        (rule("https://app.example:443"), "default port"),
        (rule(ORIGIN, methods=("PUT", "PATCH")), "'PATCH' is no method"),
        (rule(ORIGIN, headers=("x-*-*",)), "more than one '*'"),
    ],
)
def test_rules_that_cannot_work_are_named(bad: dict[str, Any], said: str) -> None:
    assert said in " ".join(objections([rule("*"), bad], [ORIGIN]))
    assert "Rule 2" in " ".join(objections([rule("*"), bad], [ORIGIN]))


@pytest.mark.parametrize(
    "lacking",
    [
        [],
        [rule("https://other.example")],
        [rule(ORIGIN, methods=("GET", "POST"))],
        [rule(ORIGIN, headers=("content-type",))],
        [rule("https://app.example.evil")],
        [rule(ORIGIN, methods=("GET",)), rule("https://other.example")],  # not by two halves
    ],
)
def test_an_origin_that_no_rule_allows_is_named(lacking: list[dict[str, Any]]) -> None:
    assert objections(lacking, [ORIGIN])[-1].endswith(f"from {ORIGIN}.")
