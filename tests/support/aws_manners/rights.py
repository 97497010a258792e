"""Rights that were just given: for a while they are not."""

from __future__ import annotations

from typing import Any

from tests.support.aws_manners.answers import answer, hook, refused
from tests.support.clock import Clock


class NewRights:
    """Every request of the clients that follow is denied until the rights have spread.

    "Any change that you make ... takes time to become visible from all possible endpoints"; in most
    cases no more than a few minutes (Amazon SES guide: troubleshoot-general, which says so of AWS
    services; IAM's own page troubleshoot_general says the same, from memory).
    """

    def __init__(self, clock: Clock, seconds: float = 60.0) -> None:
        self._clock, self._from = clock, clock() + seconds
        self.denied = 0

    def follow(self, client: Any) -> None:
        xml = client.meta.service_model.protocol.startswith("rest-xml")

        def serve(_operation: str, request: Any) -> Any:
            if self._clock() >= self._from:
                return None
            self.denied += 1
            if xml:
                body = b"<Error><Code>AccessDenied</Code><Message>not yet</Message></Error>"
                return answer(request, b"" if request.method == "HEAD" else body, 403, "xml")
            return refused(request, "AccessDeniedException", 400)

        hook(client, serve)
