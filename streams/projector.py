"""`soulfra worker projector`: copies the tables' changelogs to Redis, where the edge reads them.

Plain librdkafka in a group of its own. Where to go on stands in Redis, beside the rows, and each step is applied only
if it follows on what is there: whatever happens to Redis or to a second projector is seen at the next step.
"""

from __future__ import annotations

import logging
import signal
import time
from threading import Event
from typing import Any, NamedTuple

import msgspec
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from config import Settings, metrics
from config.telemetry import Health, serve
from streams.ends import SourceEnds
from topics import PROJECTOR_GROUP, TABLES
from topics.broker import reader
from topics.copy import APPLY, BEGIN, ONLY, rows_key, state_key
from topics.plan import check
from topics.rows import RESERVED, PositionRow, split

log = logging.getLogger("soulfra.projector")

BATCH = 1_000  # records of one step
IDLE = 0.2  # seconds to wait for a record
BEAT = 1.0  # seconds between two looks at whether Redis still has what it had
NOTHING = -1  # Redis does not know the partition


class Place(NamedTuple):
    """One partition of one table."""

    table: str
    partition: int


class Change(NamedTuple):
    """One changelog record; no row means that it was removed."""

    offset: int
    key: str
    row: bytes


class Projector:
    """Fills Redis from the changelogs of the partitions it is given."""

    def __init__(self, settings: Settings, ids: dict[str, str]) -> None:
        self.ids = ids
        self.next: dict[Place, int] = {}
        self.ended: dict[Place, bool] = {}
        self.stop = Event()
        self.progress = time.monotonic()
        self._tables = {table.changelog: table.name for table in TABLES}
        self._changelogs = {table.name: table.changelog for table in TABLES}
        self._by_name = {table.name: table for table in TABLES}
        self._complete: set[Place] = set()  # copies that contain what the sources held when they were begun
        self._ends = SourceEnds(settings.kafka)
        self._redis = redis.Redis.from_url(settings.redis.url.get_secret_value(), socket_timeout=5)
        self._apply, self._begin = self._redis.register_script(APPLY), self._redis.register_script(BEGIN)
        self._consumer = Consumer(reader(settings.kafka, "projector", PROJECTOR_GROUP))

    def run(self) -> None:
        """Works until it is told to stop. Raises KafkaException when it cannot go on."""
        self._consumer.subscribe(list(self._tables), on_assign=self._assigned, on_revoke=self._revoked)
        beat = time.monotonic()
        while not self.stop.is_set():
            first = self._consumer.poll(IDLE)
            for place, changes in self._grouped([first, *self._consumer.consume(BATCH, 0)] if first else []).items():
                self._step(place, changes)
            if time.monotonic() - beat >= BEAT:
                beat = self.progress = time.monotonic()
                for place in list(self.next):
                    self._step(place, [])
                    self._measure(place)
        self._consumer.close()

    def unready(self) -> str:
        if not self.next:
            return "no partitions are assigned yet"
        behind = sum(not ended for ended in self.ended.values())
        return f"{behind} partitions are being copied anew" if behind else ""

    def stuck(self, seconds: float) -> str:
        idle = time.monotonic() - self.progress
        return f"nothing was done for {idle:.0f} s" if self.next and idle > seconds else ""

    def _measure(self, place: Place) -> None:
        """How far Redis is behind the changelog, as far as the client knows its end."""
        changelog = self._changelogs[place.table]
        _, end = self._consumer.get_watermark_offsets(TopicPartition(changelog, place.partition), cached=True)
        if place in self.next and end >= 0:
            metrics.LAG.labels(PROJECTOR_GROUP, changelog, str(place.partition)).set(max(0, end - self.next[place]))

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        metrics.REBALANCES.labels(PROJECTOR_GROUP).inc()
        for one in given:
            place = Place(self._tables[one.topic], one.partition)
            one.offset = self.next[place] = self._patiently(place)
            self.ended[place] = False
        consumer.assign(given)
        metrics.ASSIGNED.labels(PROJECTOR_GROUP).set(len(given))

    def _revoked(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        for one in taken:
            place = Place(self._tables[one.topic], one.partition)
            self.next.pop(place, None)
            self.ended.pop(place, None)

    def _grouped(self, messages: list[Message]) -> dict[Place, list[Change]]:
        """What was read, by place; the end of a partition is noted."""
        found: dict[Place, list[Change]] = {}
        for message in messages:
            place = Place(self._tables.get(message.topic() or "", ""), message.partition() or 0)
            failed = message.error()
            if failed is None:
                change = Change(message.offset() or 0, (message.key() or b"").decode(), message.value() or b"")
                found.setdefault(place, []).append(change)
            elif failed.code() == KafkaError._PARTITION_EOF:
                self.ended[place] = True
                found.setdefault(place, [])
            elif failed.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                self._forget(place)
            elif not failed.retriable() and failed.fatal():
                raise KafkaException(failed)
        return found

    def _step(self, place: Place, changes: list[Change]) -> None:
        """Applies what follows on the stored offset; otherwise goes to where Redis is."""
        if place not in self.next:
            return
        try:
            stored = self._applied(place, [change for change in changes if change.offset >= self.next[place]])
            if stored == self.next[place]:
                return
            if stored == NOTHING:
                log.info("the copy of %s/%d is made anew", *place)
                metrics.REBUILDS.labels(place.table).inc()
                stored = self._begun(place)
        except redis.RedisError as away:
            log.warning("Redis does not answer (%s); trying again", type(away).__name__)
            time.sleep(0.2)
            stored = self.next[place]
        self.next[place], self.ended[place] = stored, False
        self._seek(place, stored)

    def _applied(self, place: Place, changes: list[Change]) -> int:
        """The offset that Redis then has; `next` moves along when it is the expected one."""
        expected = self.next[place]
        after = changes[-1].offset + 1 if changes else expected
        rows = {change.key: change.row for change in changes}
        position = b"".join(row for key, row in rows.items() if key.startswith(RESERVED))
        keys, values = [state_key(*place)], list[Any]()
        for key, row in rows.items():
            if not key.startswith(RESERVED):
                person, sub = split(key)
                keys.append(rows_key(*place, person))
                values += [sub or ONLY, row]
        done = "1" if self._completed(place, position) else "0"
        head: list[Any] = [self.ids[self._changelogs[place.table]], str(expected), str(after), position, done]
        stored = int(self._apply(keys=keys, args=[*head, *values]))
        if stored == after:
            self.next[place] = after
            metrics.PROJECTED.labels(place.table).inc(len(rows))
        return stored

    def _completed(self, place: Place, position: bytes) -> bool:
        """Whether reads may be answered: a new version of a table is folded from the beginning, and is not before it caught up."""
        if place in self._complete or not self.ended[place]:
            return self.ended[place]
        stored = position or self._redis.hget(state_key(*place), "position")
        known = msgspec.json.decode(stored, type=PositionRow) if stored else PositionRow()
        try:
            missing = self._ends.missing(self._by_name[place.table], place.partition, known.next)
        except KafkaException as away:
            log.warning("the ends of the sources of %s/%d are not known yet (%s)", *place, away.args[0].str())
            return False
        if not missing:
            self._complete.add(place)
        return not missing

    def _begun(self, place: Place) -> int:
        """The stored offset, or 0 after whatever another changelog had left there was removed."""
        key, id = state_key(*place), self.ids[self._changelogs[place.table]]
        known, complete = self._redis.hmget(key, "changelog", "complete")
        if known is not None and known != id.encode():
            for old in self._redis.scan_iter(match=f"{{p{place.partition}}}:{place.table}:*", count=1000):
                self._redis.unlink(old)
        if known == id.encode() and complete == b"1":
            self._complete.add(place)
        else:
            self._complete.discard(place)
        return int(self._begin(keys=[key], args=[id]))

    def _patiently(self, place: Place) -> int:
        while not self.stop.is_set():
            try:
                return self._begun(place)
            except redis.RedisError as away:
                log.warning("Redis does not answer (%s); waiting for it", type(away).__name__)
                time.sleep(0.5)
        return 0

    def _forget(self, place: Place) -> None:
        self._redis.delete(state_key(*place))
        self.next[place] = self._begun(place)
        self._seek(place, self.next[place])

    def _seek(self, place: Place, offset: int) -> None:
        self._consumer.seek(TopicPartition(self._changelogs[place.table], place.partition, offset))


def run(settings: Settings) -> None:
    """Runs until SIGTERM or Ctrl-C. Raises Differs with a sentence."""
    projector = Projector(settings, check(settings))
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: projector.stop.set())
    health = Health(lambda: projector.stuck(settings.worker.stuck_seconds), projector.unready)
    server = serve(settings.telemetry.host, settings.telemetry.projector_port, health)
    try:
        projector.run()
    finally:
        server.shutdown()
