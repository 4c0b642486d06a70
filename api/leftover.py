"""What is left of a body when the answer is known: a little is read, for more the connection is closed, and said to be.

Otherwise the server closes without a word, and the next request on that connection fails (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENOUGH = 1024 * 1024  # bytes that are read for the sake of the connection
PATIENCE = 0.5  # seconds


class Leftover:
    """Passes requests on, and sees to it that their bodies are read or their connections closed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            return await self.app(scope, receive, send)
        body = _Body(receive, int(Headers(scope=scope).get("content-length") or 0))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not await body.read() and scope["http_version"] == "1.1":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return await self.app(scope, body.receive, answer)


class _Body:
    def __init__(self, receive: Receive, length: int) -> None:
        self.left, self.over = length, False
        self._receive = receive

    async def receive(self) -> Any:
        message = await self._receive()
        self.left = max(0, self.left - len(message.get("body", b"")))
        self.over = self.over or not message.get("more_body", False)
        return message

    async def read(self) -> bool:
        """Whether nothing is left, now that a little has been read."""
        seen = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not self.over and seen + self.left <= ENOUGH:
                    seen += len((await self.receive()).get("body", b""))
        return self.over


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
