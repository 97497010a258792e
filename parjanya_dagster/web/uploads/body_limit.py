"""Limits the length of request bodies, so that no request fills the memory."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST = 1 << 20
"""The most bytes of a body. The route that takes images has a limit of its own."""


class BodyLimit:
    """Middleware that answers 413 to longer bodies, whatever length they claim."""

    def __init__(self, app: ASGIApp, most: int = MOST) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith("/content"):
            await self.app(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most:
                raise HTTPException(413, f"A request has at most {self.most} bytes.")
            return message

        await self.app(scope, limited, send)
