"""How a job waits for something that is away: again and again, ever more slowly, for as long as the event is its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from config.objects import Unavailable
from streams.engine import Postponed

log = logging.getLogger("soulfra.analysis")

P = ParamSpec("P")
T = TypeVar("T")
FIRST, LONGEST = 0.25, 30.0  # seconds between two attempts at the storage
LOOK = 0.25  # seconds between two looks whether the event is still ours


class Patience:
    """For one event. `ours` says whether it is still to be finished here; `tell` is called with why and since when."""

    def __init__(self, ours: Callable[[], bool], tell: Callable[[str, datetime], Awaitable[None]]) -> None:
        self._ours, self._tell = ours, tell

    async def __call__(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's value, when the storage answers. Raises Postponed when the event goes to another worker."""
        pause, since = FIRST, datetime.now(UTC)
        while True:
            try:
                return await call(*args, **kwargs)
            except Unavailable as away:
                log.warning("%s; trying again in %.1f s", away, pause)
                await self._tell(str(away), since)
            await self.wait(asyncio.sleep(pause))
            pause = min(2 * pause, LONGEST)

    async def wait(self, work: Awaitable[T]) -> T:
        """The outcome of something that may take long. Raises Postponed when the event goes to another worker."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait([task], timeout=LOOK))[0]:
                if not self._ours():
                    raise Postponed
            return task.result()
        finally:
            task.cancel()
