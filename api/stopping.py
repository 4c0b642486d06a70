"""The end of an edge process: what was accepted is finished, what would wait ends early, and nothing new begins."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problem import RETRY, Problem, answer, later

GOING = "this process is going; send it again, and another one takes it"


class Stopping:
    """Known from SIGTERM on. `seconds` later what is still under way is ended with a 503."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = asyncio.Event()
        self._limits: set[asyncio.Timeout] = set()

    def listen(self) -> None:
        """Beside the server: one with a handler in the event loop is called as well, another one's is called here."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(name)

            def heard(number: int, frame: FrameType | None, before: Any = before) -> None:
                loop.call_soon_threadsafe(self.begin)
                if callable(before):
                    before(number, frame)

            # Outside the main thread whoever embeds the edge stops it in their own way.
            with contextlib.suppress(ValueError):
                signal.signal(name, heard)

    def begin(self) -> None:
        if not self.begun.is_set():
            self.begun.set()
            asyncio.get_running_loop().call_later(self._seconds, self._end)

    def _end(self) -> None:
        for limit in self._limits:
            limit.reschedule(0)

    async def rest(self, seconds: float) -> bool:
        """Waits so long, or until the process is to end; whether it is."""
        if self.begun.is_set():
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.begun.wait(), seconds)
        return self.begun.is_set()

    @contextlib.asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """For work that depends on the caller's pace. Raises Problem 503 when the process cannot wait any longer."""
        try:
            async with asyncio.timeout(None) as limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError:
            if limit.expired():
                raise later(GOING) from None
            raise


class Door:
    """Turns new requests away while the process ends: a connection that is kept alive may still bring some."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stopping: Stopping | None = getattr(scope["app"].state, "stopping", None) if scope["type"] == "http" else None
        if stopping is None or not stopping.begun.is_set():
            await self._app(scope, receive, send)
            return
        await answer(Problem(503, GOING, headers=RETRY | {"Connection": "close"}))(scope, receive, send)
