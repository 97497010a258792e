"""No request may fill the memory: bodies are bounded before anybody reads them."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST = 1 << 20
"""Bytes of any body but that of an image, which its own route bounds."""


class _TooLarge(Exception):
    """The body goes on after its limit."""


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
        started = False

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most:
                raise _TooLarge
            return message

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, limited, noting)
        except _TooLarge:
            if started:
                raise
            said = {"detail": f"A request has at most {self.most} bytes."}
            await JSONResponse(said, 413, {"Connection": "close"})(scope, receive, send)
