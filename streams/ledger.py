"""The tables worker's work on one record: decode, fold, send what follows, write the rows, write the position.

In this order, at least once: what follows is stored before a row says that it contains the record, and the position
comes last. A worker that dies in between reads the record again, and every step that was done is a no-op.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

import faust
import msgspec
from faust.types import TP

from config import metrics
from config.telemetry import LABELS, TRACE
from schemas import Event, Malformed
from schemas.wire import Headers, Lookup, Record, decode, encode
from soulfra.moment import implausible
from streams.app import Stopped, send
from streams.fold import Refused, Rows, folded
from streams.registry import Unreachable
from topics import TABLES, Topic, topic_named, topic_of
from topics.place import Position, partition_of
from topics.rows import PositionRow, position_key

log = logging.getLogger("soulfra.tables")

PIPELINE = "tables"
IN_A_ROW, OF_THE_LAST, SHARE = 20, 1_000, 0.05  # exceptions of our own code after which a deploy stops itself
FORWARDED = "soulfra.forwarded"


class Ledger:
    """Keeps the tables of the partitions this process owns."""

    def __init__(
        self,
        app: faust.App,
        tables: Mapping[str, MutableMapping[bytes, bytes]],
        ids: Mapping[str, str],
        partitions: int,
        foreign: Lookup,
        first_from: Callable[[str, int, int], int],
    ) -> None:
        self.app, self.tables, self.ids, self.partitions = app, tables, ids, partitions
        self.foreign, self.first_from = foreign, first_from
        self.broken: str = ""
        self.done: dict[TP, float] = {}  # when a source partition was last worked on, monotonic seconds
        self.ready_at = time.monotonic()  # since when there has been something to work on
        self._locks: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._sought: dict[TP, int] = {}
        self._outcomes: deque[bool] = deque(maxlen=OF_THE_LAST)

    async def take(self, message: Any) -> None:
        """Works on one record. One at a time in a partition: its topics share rows."""
        place = Position(message.topic, message.partition, message.offset)
        async with self._locks[place.partition]:
            started = time.perf_counter()
            if await self._is_next(place):
                LABELS.set((("topic", place.topic), ("partition", str(place.partition)), ("offset", str(place.offset))))
                await self._work(place, message)
                self.done[TP(place.topic, place.partition)] = time.monotonic()
                metrics.PROGRESS.labels(place.topic, str(place.partition)).set(time.time())
            metrics.PROCESSING.labels(PIPELINE).observe(time.perf_counter() - started)

    async def _is_next(self, place: Position) -> bool:
        """A worker goes by the position, not by the group's offset. What lies below changes nothing; a gap above means
        that the offset ran ahead of the tables, and the records in between are fetched again."""
        expected = self.expected(place.topic, place.partition)
        if place.offset < expected:
            metrics.REPEATED.labels(place.topic).inc()
            return False
        if place.offset == expected or topic_named(place.topic).keep:
            return True
        if await asyncio.to_thread(self.first_from, place.topic, place.partition, expected) >= place.offset:
            return True  # the log itself has nothing in between
        await self.go_back(place.topic, place.partition)
        return False

    def idle(self, topic: str, partition: int) -> float:
        """Seconds since a partition was last worked on, or since it could have been."""
        return time.monotonic() - max(self.done.get(TP(topic, partition), 0.0), self.ready_at)

    async def go_back(self, topic: str, partition: int) -> None:
        """Reads from the position on, where the group's offset ran ahead and nothing comes to show it."""
        expected, tp = self.expected(topic, partition), TP(topic, partition)
        if self._sought.get(tp) != expected:
            self._sought[tp] = expected
            log.warning("%s/%d does not go on; reading again from the position %d", topic, partition, expected)
            await self.app.consumer.seek(tp, expected)

    def expected(self, topic: str, partition: int) -> int:
        """The next offset of a source topic that the tables of a partition do not contain."""
        found = [self._position(table.name, partition).next.get(topic, 0) for table in TABLES if _folds(table, topic)]
        return min(found, default=0)

    def _position(self, table: str, partition: int) -> PositionRow:
        stored = self.tables[table].get(position_key(partition).encode())
        return msgspec.json.decode(stored, type=PositionRow) if stored else PositionRow()

    async def _work(self, place: Position, message: Any) -> None:
        metrics.EVENTS.labels(PIPELINE, place.topic).inc()
        headers = headers_of(message.headers)
        TRACE.set(next((value.decode() for name, value in headers if name == "traceparent"), ""))
        at: datetime | None = None
        rows = Rows(place, self.tables, self.partitions)
        follows: list[tuple[str, int, Record]] = []
        try:
            event = decode(message.key, message.value, headers, self.foreign)
            if moved := self._elsewhere(event, place, message, headers):
                follows = [moved]
            else:
                _judge(event, topic_named(place.topic), message)
                at = event.time
                follows = [self._addressed(caused) for caused in folded(event, rows)]
                self._observe(event)
            self._outcomes.append(True)
        except (Malformed, Refused) as refused:
            follows = [
                _dead(place, message, headers, refused, "malformed" if isinstance(refused, Malformed) else "refused")
            ]
        except Unreachable as away:
            self.broken = str(away)  # the event may be good: it is read again when the registry is back
            await asyncio.Event().wait()
        except Exception as ours:
            log.exception("an event could not be folded; it was dead-lettered")
            rows, follows = Rows(place, self.tables, self.partitions), [_dead(place, message, headers, ours, "failed")]
            self._count_failure(ours)
        await asyncio.gather(*(send(self.app, *record) for record in follows))
        for (table, key), row in rows.written.items():
            self.tables[table][key] = row
        self._keep_position(place, at)

    def _elsewhere(
        self, event: Event, place: Position, message: Any, headers: Headers
    ) -> tuple[str, int, Record] | None:
        """The same bytes for their own partition, if this is not it."""
        if topic_named(place.topic).key != "user":
            return None
        own = partition_of(event.key, self.partitions)
        if own == place.partition:
            return None
        metrics.FORWARDED.labels(place.topic).inc()
        return place.topic, own, Record(message.key, message.value, [*headers, (FORWARDED, str(place).encode())])

    def _addressed(self, event: Event) -> tuple[str, int, Record]:
        return topic_of(event).name, partition_of(event.key, self.partitions), encode(event, TRACE.get())

    def _keep_position(self, place: Position, at: datetime | None) -> None:
        for table in TABLES:
            if _folds(table, place.topic):
                before = self._position(table.name, place.partition)
                row = before.with_(place.topic, self.ids[place.topic], place.offset + 1, at)
                self.tables[table.name][position_key(place.partition).encode()] = msgspec.json.encode(row)

    def check_ids(self) -> None:
        """Raises Stopped when a source topic is not the one that the tables were folded from."""
        for table in TABLES:
            for partition in range(self.partitions):
                for topic, known in self._position(table.name, partition).ids.items():
                    if self.ids.get(topic, known) != known:
                        raise Stopped(f"{topic} was deleted and made anew since {table.name} was folded from it; "
                                      "its events are gone: restore it, or run `soulfra reset`")  # fmt: skip

    def _count_failure(self, failed: Exception) -> None:
        self._outcomes.append(False)
        last, bad = list(self._outcomes)[-IN_A_ROW:], self._outcomes.count(False)
        if (len(last) == IN_A_ROW and not any(last)) or bad > max(IN_A_ROW, SHARE * OF_THE_LAST):
            self.broken = (
                f"{bad} of the last {len(self._outcomes)} events failed in our own code, the last with {failed!r}"
            )

    def _observe(self, event: Event) -> None:
        late = (datetime.now(UTC) - event.time).total_seconds()
        metrics.E2E.labels(PIPELINE).observe(max(0.0, late))
        if late < 0:
            metrics.CLOCK_SKEW.labels(topic_of(event).name).inc()


def _folds(table: Any, topic: str) -> bool:
    return any(source.name == topic for source in table.folded_from)


def _judge(event: Event, topic: Topic, message: Any) -> None:
    """Raises Refused for what is well formed and cannot be taken."""
    if type(event) not in topic.events:
        raise Refused(f"{event.ce_type()} is said on {topic_of(event).name}, not here")
    if wrong := implausible(event, datetime.fromtimestamp(message.timestamp, UTC)):
        raise Refused(wrong)


def headers_of(given: Any) -> Headers:
    pairs = given.items() if isinstance(given, Mapping) else given or ()
    return [(str(name), value or b"") for name, value in pairs]


def _dead(place: Position, message: Any, headers: Headers, why: Exception, reason: str) -> tuple[str, int, Record]:
    """The original bytes for the dead-letter topic, with Kafka's own header names (KIP-1034) and our reason."""
    metrics.DEAD.labels(place.topic, reason).inc()
    metrics.EVENT_ERRORS.labels(PIPELINE, place.topic, type(why).__name__, "dlq").inc()
    frames = "".join(traceback.format_tb(why.__traceback__)) if reason == "failed" else ""
    told = {
        "__streams.errors.exception": type(why).__name__,
        "__streams.errors.message": "" if reason == "failed" else str(why),
        "__streams.errors.stacktrace": frames,
        "__streams.errors.topic": place.topic,
        "__streams.errors.partition": str(place.partition),
        "__streams.errors.offset": str(place.offset),
        "soulfra.reason": reason,
    }
    added = [(name, value.encode()) for name, value in told.items()]
    return f"{place.topic}.dlq", place.partition, Record(message.key, message.value, [*headers, *added])
