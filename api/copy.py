"""Reads the copy of the tables in Redis: rows and position in one round trip, honest about being behind."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import Depends, Query, Request, Response
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.problem import Problem, later
from api.stopping import Stopping
from config import Settings
from config.redis import connect_async
from topics import Row, Table
from topics.copy import ONLY, SNAPSHOT, rows_key, state_key
from topics.place import Position, partition_of
from topics.rows import PositionRow, read

TURN = 5.0  # seconds that a reader waits for a connection
POLL = 0.02  # seconds between two looks while waiting
LONGEST_WAIT = 30.0  # seconds
DURATION = re.compile(r"^([0-9]{1,5})(ms|s)$")


class Snapshot(NamedTuple):
    """A person's rows of a table as of a position."""

    rows: dict[str, bytes]
    position: PositionRow
    partition: int


class Wanted(NamedTuple):
    """What a reader asks for: to see a position, and how long to wait for it (seconds)."""

    after: Position | None
    wait: float


NOW = Wanted(None, 0.0)  # what is known, without waiting


class Copy:
    """The read side."""

    def __init__(self, settings: Settings, stopping: Stopping) -> None:
        self.partitions, self._stopping = settings.kafka.partitions, stopping
        url, limits = settings.redis.url.get_secret_value(), settings.redis
        self._redis = connect_async(url, limits.timeout, limits.connections)
        self._snapshot = self._redis.register_script(SNAPSHOT)
        self._answer = 2 * limits.timeout  # seconds for one: a connection may have to be made first
        self._turns = asyncio.Semaphore(limits.connections)

    async def snapshot(
        self,
        table: Table[Any],
        key: str,
        wanted: Wanted,
        response: Response | None = None,
        subs: Sequence[str] | None = None,
    ) -> Snapshot:
        """A person's rows, or those of some sub-keys.

        Raises Problem 503 while they are not known, 412 when the position is not reached in time.
        """
        partition, deadline = partition_of(key, self.partitions), time.monotonic() + wanted.wait
        _check(table, partition, wanted.after)
        while True:
            found = await self._read(table, key, partition, subs)
            missing = _distance(found.position, wanted.after)
            if missing <= 0:
                if response is not None:
                    response.headers.update(freshness(found))
                return found
            if time.monotonic() >= deadline or await self.rest():
                raise Problem(412, f"the table is {missing} records short of {wanted.after}; wait longer, or ask again",
                              distance=missing)  # fmt: skip

    async def _read(self, table: Table[Any], key: str, partition: int, subs: Sequence[str] | None) -> Snapshot:
        keys = rows_key(table.name, partition, key), state_key(table.name, partition)
        try:
            async with self.turn():
                rows, (position, complete) = await self._snapshot(keys=keys, args=subs or ())
        except (RedisError, OSError):
            raise later("the read copy is away; what you send is still taken, ask again in a moment") from None
        if complete != b"1":
            raise later("the read copy is being rebuilt from the log; ask again in a moment")
        known = msgspec.json.decode(position, type=PositionRow) if position else PositionRow()
        names = subs or [name.decode() for name in rows[::2]]
        return Snapshot(dict(zip(names, rows if subs else rows[1::2], strict=True)), known, partition)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Redis]:
        """Redis, on one of the connections, for which others wait. Raises TimeoutError, which is an OSError."""
        async with asyncio.timeout(TURN):
            await self._turns.acquire()
        try:
            yield self._redis
        finally:
            self._turns.release()

    async def close(self) -> None:
        await self._redis.aclose()

    async def rest(self) -> bool:
        """For those who look again and again; whether they are to give up, because the process ends."""
        return await self._stopping.rest(POLL)

    async def away(self) -> str:
        """Why rows cannot be read, or nothing."""
        try:
            async with asyncio.timeout(self._answer), self.turn() as redis:
                await redis.ping()
        except (RedisError, OSError):
            return "Redis does not answer"
        return ""


def row_of(table: Table[Row], found: Snapshot, sub: str = ONLY) -> Row | None:
    stored = found.rows.get(sub)
    return read(table, stored) if stored else None


def freshness(found: Snapshot) -> dict[str, str]:
    """`Soulfra-Position`, one per source, and `Age`: seconds since the newest event that the rows contain."""
    told = [str(Position(topic, found.partition, next - 1)) for topic, next in sorted(found.position.next.items())]
    age = (datetime.now(UTC) - found.position.at).total_seconds() if found.position.at else 0.0
    return {"Soulfra-Position": ", ".join(told), "Age": str(max(0, round(age)))}


def _check(table: Table[Any], partition: int, after: Position | None) -> None:
    """Raises Problem 400 for a position that says nothing about this table."""
    if after is None:
        return
    if after.topic not in {topic.name for topic in table.folded_from}:
        raise Problem(400, f"this is not folded from {after.topic} directly; "
                           "follow a chat's chain with GET /v1/chats/{id}?until=analysis|trust|agent&wait=30s")  # fmt: skip
    if after.partition != partition:
        raise Problem(400, f"{after} is another person's; yours are on partition {partition}")


def _distance(position: PositionRow, after: Position | None) -> int:
    return after.offset + 1 - position.next.get(after.topic, 0) if after else 0


def wanted(
    after: Annotated[str | None, Query(description="a Soulfra-Position of yours that the answer must contain")] = None,
    wait: Annotated[str, Query(description="how long to wait for it, for example 500ms or 5s")] = "0ms",
) -> Wanted:
    try:
        return Wanted(Position.parse(after) if after else None, seconds(wait))
    except ValueError as wrong:
        raise Problem(400, str(wrong)) from None


def seconds(text: str) -> float:
    """A duration such as 500ms or 30s; more than 30 s is 30 s. Raises ValueError."""
    read_ = DURATION.match(text)
    if read_ is None:
        raise ValueError(f"{text[:20]!r} is not a duration; write 500ms or 5s")
    return min(LONGEST_WAIT, int(read_[1]) / (1000 if read_[2] == "ms" else 1))


def copy(request: Request) -> Copy:
    found: Copy = request.app.state.copy
    return found


TheCopy = Annotated[Copy, Depends(copy)]
Asked = Annotated[Wanted, Depends(wanted)]
