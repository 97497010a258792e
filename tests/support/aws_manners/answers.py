"""Answers that a service gives instead of moto, and how a hook sits below botocore's retries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse


def answer(request: Any, body: bytes, status: int = 200, kind: str = "x-amz-json-1.0") -> Any:
    """An answer of a service, as botocore has it from the wire."""
    made = AWSResponse(request.url, status, {"content-type": f"application/{kind}"}, None)
    made._content = body
    return made


def said(request: Any, document: Any, status: int = 200) -> Any:
    return answer(request, json.dumps(document).encode(), status)


def refused(request: Any, code: str, status: int = 400, **more: Any) -> Any:
    """An error of a service that speaks JSON."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return said(request, {"__type": kind, "message": "said AWS's manners", **more}, status)


def send(client: Any, request: Any) -> Any:
    """What moto says to a request."""
    return client._endpoint._send(request)


def document(request: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body)
    return found


def hook(client: Any, serve: Callable[[str, Any], Any]) -> None:
    """Let `serve(operation, request)` answer each attempt. None: moto does."""
    service = client.meta.service_model.service_id.hyphenize()

    def before(request: Any, event_name: str, **_: Any) -> Any:
        return serve(event_name.rpartition(".")[2], request)

    client.meta.events.register(f"before-send.{service}", before)


@contextmanager
def unhurried(wait: Callable[[float], Any] = lambda _: None) -> Iterator[None]:
    """botocore's pauses between attempts go to `wait`: a clock of a test, or nothing."""
    with pytest.MonkeyPatch.context() as patch:
        real = botocore.endpoint.time
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(time=real.time, sleep=wait))
        yield
