"""The manners of S3: it is busy, it fails, and it may have done what it did not answer."""

from __future__ import annotations

from typing import Any

from tests.support.aws_manners.answers import answer, hook, send
from tests.support.aws_manners.chance import Chance


class ObjectManners:
    """S3 for every client that follows.

    - 503 `SlowDown` and 500 `InternalError`, which can be tried again (AWS re:Post:
      http-5xx-errors-s3). botocore does (botocore.retries.standard: 500, 502, 503, 504).
    - A PUT that was done and whose answer is lost. With `If-None-Match` the next try then finds its
      own object and is refused with 412 (follows from conditional requests; not named by AWS).

    Reads and listings after a write are not late: S3 is strongly consistent since December 2020 (S3
    user guide: Welcome, from memory).
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def follow(self, client: Any) -> None:
        hook(client, lambda operation, request: self._serve(client, operation, request))

    def _serve(self, client: Any, operation: str, request: Any) -> Any:
        subject = request.url.partition("?")[0]
        if self._chance.happens("slow down", subject):
            return _error(request, "SlowDown", 503)
        if self._chance.happens("object failed", subject):
            return _error(request, "InternalError", 500)
        if operation == "PutObject" and self._chance.happens("object answer lost", subject):
            send(client, request)
            return _error(request, "InternalError", 500)
        return None


def _error(request: Any, code: str, status: int) -> Any:
    body = f"<Error><Code>{code}</Code><Message>said AWS's manners</Message></Error>"
    return answer(request, b"" if request.method == "HEAD" else body.encode(), status, "xml")
