"""Which chats were deleted, as far as the analysis job can know: from the log, and from the read copy for older ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, defaultdict

import msgspec
import redis

from config import Settings
from config.redis import connect
from topics import CHAT_ROWS
from topics.copy import rows_key
from topics.place import partition_of
from topics.rows import read

REMEMBERED = 10_000  # deletions kept; only those of chats that are open matter
WITHIN = 0.5  # seconds that Redis has to answer
SOON = 3.0  # seconds in which a deletion is read whose files are gone already: the edge publishes before it removes


class Deletions:
    """Deletions that this process has seen."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._awaited: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def __contains__(self, chat_id: object) -> bool:
        return chat_id in self._seen

    def add(self, chat_id: str) -> None:
        self._seen[chat_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if chat_id in self._awaited:
            self._awaited[chat_id].set()

    async def expected(self, key: str, chat_id: str) -> bool:
        """Whether a chat whose files are gone was deleted: seen already, known to the read copy, or read soon."""
        if chat_id in self or await asyncio.to_thread(self._in_copy, key, chat_id):
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._awaited[chat_id].wait(), SOON)
        self._awaited.pop(chat_id, None)
        return chat_id in self

    def _in_copy(self, key: str, chat_id: str) -> bool:
        """While Redis is away nobody can tell."""
        place = rows_key(CHAT_ROWS.name, partition_of(key, self._settings.kafka.partitions), key)
        url = self._settings.redis.url.get_secret_value()
        with contextlib.suppress(redis.RedisError, msgspec.DecodeError):
            with connect(url, WITHIN) as connection:
                stored = connection.hget(place, chat_id)
            return isinstance(stored, bytes) and read(CHAT_ROWS, stored).deleted
        return False
