"""Requests to DynamoDB's emulator take the short way: what botocore wrote, to a socket and back.

Of three milliseconds of the processor that botocore takes for a request, two go into a signature
that moto does not read, an agent, hooks and a pool of connections. So a request to a server that
tests named here is written as botocore serialized it, and botocore parses the answer. What is not
answered with success begins anew on botocore's own way: a refusal, a right that is missing, a
server that is gone. So does all that a test hooks in below botocore's retries.
"""

from __future__ import annotations

import os
import re
import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

LONGEST = 60.0  # seconds for an answer, as botocore's own
_LENGTH = re.compile(rb"^content-length: *([0-9]+)", re.IGNORECASE | re.MULTILINE)


@contextmanager
def directly(url: str) -> Iterator[None]:
    """Within it, requests to DynamoDB at this address go there directly. Else nothing changes."""
    from botocore.awsrequest import AWSResponse  # few tests need it
    from botocore.endpoint import Endpoint

    lines = Lines(url)
    slowly = Endpoint.make_request

    def make_request(self: Any, operation: Any, asked: dict[str, Any]) -> Any:
        target = asked["headers"].get("X-Amz-Target", "")
        found = None
        ours = asked["url"].rstrip("/") == url and target.startswith("DynamoDB_")
        if ours and not _hooked(self, operation):
            found = lines.answer(target, asked["context"]["client_region"], asked["body"])
        if found is None:
            return slowly(self, operation, asked)
        headers, body = found
        answer = {"status_code": 200, "headers": headers, "body": body, "context": {}}
        parser = self._response_parser_factory.create_parser("json")
        said = parser.parse(answer, operation.output_shape)
        said["ResponseMetadata"]["RetryAttempts"] = 0
        return AWSResponse(asked["url"], 200, headers, None), said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "make_request", make_request)
        try:
            yield
        finally:
            lines.close()


def _hooked(endpoint: Any, operation: Any) -> bool:
    """Whether somebody listens below botocore's retries."""
    emitter = endpoint._event_emitter._emitter
    return bool(emitter._handlers.prefix_search(f"before-send.dynamodb.{operation.name}"))


class Lines:
    """Connections to one server, of which each is used by one thread at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self._free: defaultdict[int, list[socket.socket]] = defaultdict(list)  # by process

    def answer(self, target: str, region: str, asked: bytes) -> tuple[dict[str, str], bytes] | None:
        """The headers and the body of the answer. None where it is no success."""
        free = self._free[os.getpid()]
        try:
            line = free.pop() if free else socket.create_connection(self._address, LONGEST)
        except OSError:
            return None
        try:
            line.sendall(
                f"POST / HTTP/1.1\r\nHost: {self._address[0]}\r\nX-Amz-Target: {target}\r\n"
                "Content-Type: application/x-amz-json-1.0\r\n"
                f"Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/{region}/dynamodb/"
                f"aws4_request\r\nContent-Length: {len(asked)}\r\n\r\n".encode()
                + asked
            )
            head, body = _read(line)
        except (OSError, EOFError):
            line.close()
            return None
        if b"\r\nconnection: close" in head.lower():  # moto's own way, for what is rare
            line.close()
        else:
            free.append(line)
        if not head.startswith(b"HTTP/1.1 200 "):
            return None
        pairs = (one.partition(": ") for one in head.decode("latin-1").split("\r\n")[1:])
        return {name.lower(): value for name, _, value in pairs}, body

    def close(self) -> None:
        for line in self._free.pop(os.getpid(), ()):
            line.close()


def _read(line: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of an answer. Raises EOFError where it is not whole."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += _more(line)
    head, _, body = said.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if length is None:
        raise EOFError
    parts, missing = [body], int(length[1]) - len(body)
    while missing > 0:
        parts.append(_more(line))
        missing -= len(parts[-1])
    return head, b"".join(parts)


def _more(line: socket.socket) -> bytes:
    if not (some := line.recv(262_144)):
        raise EOFError
    return some
