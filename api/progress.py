"""Progress of analyses, for all who watch it in this process: one look at Redis for all of them, a few times a second.

A connection for each watcher would leave none for those who read. Each partition's streams are asked for together, so that
a cluster can answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

from redis.exceptions import RedisError

from api.copy import Copy
from api.stopping import Stopping
from topics.copy import PROGRESS_STEPS, progress_key

EVERY = 0.2  # seconds between two looks
MISSES = 5  # looks in a row without an answer after which watchers are sent away; a busy process may miss one

Step = dict[str, Any]
Key = tuple[int, str]  # partition, and id of the chat


class _Watched:
    """A chat that somebody watches."""

    def __init__(self) -> None:
        self.last = "0"
        self.steps: deque[tuple[str, Step]] = deque(maxlen=PROGRESS_STEPS)
        self.watchers: set[asyncio.Event] = set()


class ProgressFeed:
    """Runs beside the requests."""

    def __init__(self, copy: Copy, stopping: Stopping) -> None:
        self._copy, self._stopping = copy, stopping
        self._watched: dict[Key, _Watched] = {}
        self._missed = 0  # looks in a row without an answer

    async def run(self) -> None:
        """Looks while anybody watches; ends when the process does."""
        while not await self._stopping.rest(EVERY):
            try:
                if self._watched:
                    await self._look()
                self._missed = 0
            except (RedisError, OSError):
                self._missed += 1
                if self._away:
                    self._wake(self._watched.values())
        self._wake(self._watched.values())

    @property
    def _away(self) -> bool:
        return self._missed >= MISSES

    async def newest(self, partition: int, chat_id: str) -> Step | None:
        """The last step of a chat. Raises RedisError or OSError."""
        async with self._copy.turn() as redis:
            entries = await redis.xrevrange(progress_key(partition, chat_id), count=1)
        return _step(entries[0][1]) if entries else None

    async def follow(self, partition: int, chat_id: str, last: str, seconds: float) -> AsyncIterator[tuple[str, Step]]:
        """Steps behind the id `last`, with their ids, as they come; ends after so long, while Redis is away, or with the process."""
        until, news = time.monotonic() + seconds, asyncio.Event()
        watched = self._watched.setdefault((partition, chat_id), _Watched())
        watched.watchers.add(news)
        try:
            while not (self._away or self._stopping.begun.is_set()) and (left := until - time.monotonic()) > 0:
                news.clear()
                for id, step in [one for one in watched.steps if _order(one[0]) > _order(last)]:
                    last = id
                    yield id, step
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), left)
        finally:
            watched.watchers.discard(news)
            if not watched.watchers:
                self._watched.pop((partition, chat_id), None)

    async def _look(self) -> None:
        by_partition: dict[int, dict[str, _Watched]] = {}
        for (partition, chat_id), watched in self._watched.items():
            by_partition.setdefault(partition, {})[progress_key(partition, chat_id)] = watched
        for streams in by_partition.values():
            async with self._copy.turn() as redis:
                replies: Any = await redis.xread({key: watched.last for key, watched in streams.items()})
            for key, fresh in replies or ():
                watched = streams[key.decode()]
                watched.steps.extend((id.decode(), _step(fields)) for id, fields in fresh)
                watched.last = watched.steps[-1][0]
                self._wake([watched])

    def _wake(self, chats: Iterable[_Watched]) -> None:
        for watched in chats:
            for news in watched.watchers:
                news.set()


def _step(fields: Any) -> Step:
    step: Step = {name.decode(): value.decode() for name, value in fields.items()}
    return step | {"share": float(fields[b"share"])}


def _order(id: str) -> tuple[int, int]:
    milliseconds, _, number = id.partition("-")
    return int(milliseconds or 0), int(number or 0)
