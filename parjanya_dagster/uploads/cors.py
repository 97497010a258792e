"""CORS: a real preflight, as a browser sends it, and a check of the rules on paper.

A presigned URL says nothing about CORS. If a rule is missing, every signature is right, and still
no browser uploads anything. Only a real preflight shows that.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

PUT_HEADERS = ("content-type", "if-none-match")
"""What the upload page sends with a PUT, beside what every browser may send."""

TIMEOUT = 5.0
_SIMPLE_METHODS = ("GET", "HEAD", "POST")
_S3_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a browser would judge the answer to a preflight."""

    passed: bool
    reason: str  # one sentence
    status: int | None = None  # of the answer; None: there was none

    @property
    def answered(self) -> bool:
        return self.status is not None


def is_origin(text: str) -> bool:
    """Whether it is a web origin, such as https://app.example: no path, nothing after the port."""
    return len(text) <= 253 and _ORIGIN.fullmatch(text) is not None


def preflight(
    url: str,
    origin: str,
    method: str = "PUT",
    headers: Iterable[str] = PUT_HEADERS,
    timeout: float = TIMEOUT,
) -> Verdict:
    """Ask `url` as a browser on a page of `origin` would, and judge the answer as it would.

    The query of the URL is not sent: a preflight is not signed, and a signature is a secret. Never
    raises: the verdict says what went wrong.
    """
    wanted = sorted({name.lower() for name in headers})
    target = urlsplit(url)._replace(query="", fragment="").geturl()
    request = urllib.request.Request(
        target,
        method="OPTIONS",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            **({"Access-Control-Request-Headers": ",".join(wanted)} if wanted else {}),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return judge(answer.status, answer.headers, origin, method, wanted)
    except urllib.error.HTTPError as error:  # a redirect is one too, as it is to a browser
        with error:
            return judge(error.code, error.headers, origin, method, wanted)
    except (OSError, ValueError) as error:
        return Verdict(False, f"{_host(target)} did not answer: {getattr(error, 'reason', error)}.")


def judge(
    status: int, headers: Message | Mapping[str, str], origin: str, method: str, wanted: list[str]
) -> Verdict:
    """The verdict of the Fetch standard on an answer to a preflight without credentials."""

    def refused(why: str) -> Verdict:
        return Verdict(False, why, status)

    if 300 <= status < 400:
        return refused(f"The preflight was answered {status}: no browser follows it elsewhere.")
    if not 200 <= status < 300:
        return refused(f"The preflight from {origin} was answered {status}: no rule allows it.")
    allowed = headers.get("Access-Control-Allow-Origin")
    if allowed is None:
        return refused(f"The answer allows no origin, so not {origin} either.")
    if allowed.strip() not in ("*", origin):
        return refused(f"The answer allows {allowed.strip()}, not {origin}.")
    methods = _list(headers.get("Access-Control-Allow-Methods"))
    if method not in (*methods, *_SIMPLE_METHODS) and "*" not in methods:
        return refused(f"The answer allows {', '.join(methods) or 'no method'}, not {method}.")
    names = [name.lower() for name in _list(headers.get("Access-Control-Allow-Headers"))]
    missing = [name for name in wanted if name not in names]
    if "*" in names:  # a star does not cover this header
        missing = [name for name in missing if name == "authorization"]
    if missing:
        return refused(f"The answer does not allow the header {' or '.join(missing)}.")
    return Verdict(True, f"A browser on {origin} may {method}.", status)


def objections(rules: Sequence[Mapping[str, Any]], origins: Sequence[str] = ()) -> list[str]:
    """What is wrong with the CORS rules of a bucket, for uploads from these web origins.

    `rules` are those of GetBucketCors: AllowedOrigins, AllowedMethods, AllowedHeaders.
    """
    problems = []
    for number, rule in enumerate(rules, 1):
        for pattern in rule.get("AllowedOrigins", ()):
            if (why := _origin_objection(pattern)) is not None:
                problems.append(f"Rule {number}: the origin {pattern!r} {why}")
        for header in rule.get("AllowedHeaders", ()):
            if header.count("*") > 1:
                problems.append(f"Rule {number}: the header {header!r} has more than one '*'.")
        for method in rule.get("AllowedMethods", ()):
            if method not in _S3_METHODS:
                problems.append(f"Rule {number}: {method!r} is no method of S3 CORS.")
    for origin in origins:
        if not any(_allows(rule, origin) for rule in rules):
            problems.append(f"No rule allows PUT with {', '.join(PUT_HEADERS)} from {origin}.")
    return problems


def _origin_objection(pattern: str) -> str | None:
    if pattern == "*":
        return None
    if pattern.count("*") > 1:
        return "has more than one '*', which S3 refuses."
    if "://" not in pattern:
        return "has no scheme: a browser sends https://…, so it never matches."
    if pattern != pattern.lower():
        return "has capitals: a browser sends small letters, so it never matches."
    if re.search(r"://[^/]*/", pattern):
        return "has a path or a final slash: a browser sends neither, so it never matches."
    if re.fullmatch(r"https://[^/]*:443|http://[^/]*:80", pattern):
        return "names the default port: a browser leaves it out, so it never matches."
    return None


def _allows(rule: Mapping[str, Any], origin: str) -> bool:
    return (
        any(_matches(pattern, origin) for pattern in rule.get("AllowedOrigins", ()))
        and "PUT" in rule.get("AllowedMethods", ())
        and all(
            any(_matches(pattern.lower(), name) for pattern in rule.get("AllowedHeaders", ()))
            for name in PUT_HEADERS
        )
    )


def _matches(pattern: str, text: str) -> bool:
    if pattern.count("*") > 1:
        return False
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def _list(value: str | None) -> list[str]:
    return [item.strip() for item in (value or "").split(",") if item.strip()]


def _host(url: str) -> str:
    return urlsplit(url).netloc or url
