"""`soulfra worker projector`: copies the tables' changelogs to Redis, where the edge reads them.

Plain librdkafka in a group of its own. Where to go on stands in Redis, beside the rows, and each step is applied only
if it follows on what is there: whatever happens to Redis or to a second projector is seen at the next step. A round in
which Redis fails is given up as a whole, and all partitions are begun again from what Redis says when it is back.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from threading import Event
from typing import Any, NamedTuple

import msgspec
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from config import Settings, metrics
from config.redis import connect, risk
from config.telemetry import Health
from streams import start
from streams.ends import SourceEnds
from streams.engine import Stopped
from streams.engine.recovery import AWAY
from streams.start import Ids
from topics import PROJECTOR_GROUP, TABLES
from topics.broker import SESSION, reader, refusals
from topics.copy import APPLY, BEGIN, ONLY, rows_key, state_key
from topics.rows import RESERVED, PositionRow, split

log = logging.getLogger("soulfra.projector")

BATCH = 1_000  # records of one step
IDLE = 0.2  # seconds to wait for a record, and between two attempts while Redis is away
BEAT = 1.0  # seconds between two looks at whether Redis still has what it had
NOTHING = -1  # Redis does not know the partition
UNASSIGNED = f"no partitions are assigned yet; those of one that was killed become free {SESSION // 1000} s later"
RESET = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}  # the changelog no longer goes back so far


class Place(NamedTuple):
    """One partition of one table."""

    table: str
    partition: int


class Change(NamedTuple):
    """One changelog record; no row means that it was removed."""

    offset: int
    key: str
    row: bytes


@dataclass
class Copied:
    """How far the copy of a partition is."""

    next: int  # offset in the changelog
    complete: bool  # it contains what the sources held when it was begun
    ended: bool = False  # the end of the changelog was seen since it was begun
    at_end: bool = False  # nothing was read since the end was seen


class Projector:
    """Fills Redis from the changelogs of the partitions it is given."""

    def __init__(self, settings: Settings, ids: Ids, stop: Event) -> None:
        self.ids, self.stop = ids, stop
        self.copies: dict[Place, Copied] = {}  # of the partitions that are read
        self.progress = time.monotonic()
        self.away = ""  # why Redis is not written
        self._given: list[Place] = []
        self._lost: set[Place] = set()  # whose copies must be made anew
        self._tables = {table.changelog: table.name for table in TABLES}
        self._changelogs = {table.name: table.changelog for table in TABLES}
        self._by_name = {table.name: table for table in TABLES}
        self._ends = SourceEnds(settings.kafka)
        self._redis = connect(settings.redis.url.get_secret_value(), settings.redis.timeout)
        self._apply, self._begin = self._redis.register_script(APPLY), self._redis.register_script(BEGIN)
        self._consumer = Consumer(reader(settings.kafka, "projector", PROJECTOR_GROUP))

    def run(self) -> None:
        """Works until it is told to stop. Raises KafkaException when it cannot go on."""
        self._consumer.subscribe(list(self._tables), on_assign=self._assigned, on_revoke=self._revoked)
        beat = 0.0
        while not self.stop.is_set():
            if due := time.monotonic() - beat >= BEAT:
                beat = self.progress = time.monotonic()
            try:
                self._round(due)
                self._back()
            except (redis.RedisError, OSError) as away:
                self._give_up(away)
            if due:
                self._measure()
        self._consumer.close()

    def _round(self, looks: bool) -> None:
        """Applies what was read; `looks` also at partitions of which nothing was. Raises RedisError."""
        first = self._consumer.poll(0 if self._given and not self.copies else IDLE)
        if self._given and not self.copies:
            self._learn()
        for place, changes in self._grouped([first, *self._consumer.consume(BATCH, 0)] if first else []).items():
            self._step(place, changes)
        for place in list(self.copies) if looks else ():
            self._step(place, [])

    def _learn(self) -> None:
        """Asks Redis where each partition goes on, and reads from there. Raises RedisError."""
        if evicts := risk(self._redis):
            log.error("%s", evicts)
        for place in list(self._lost):
            self._redis.delete(state_key(*place))
            self._lost.discard(place)
        self._read_from({place: self._begun(place) for place in self._given})

    def _read_from(self, copies: dict[Place, Copied]) -> None:
        self.copies = copies
        self._consumer.assign([self._at(place, copied.next) for place, copied in copies.items()])

    def _at(self, place: Place, next: int) -> TopicPartition:
        """Where the changelog is read on; its first record may have another offset than 0."""
        return TopicPartition(self._changelogs[place.table], place.partition, next or OFFSET_BEGINNING)

    def _give_up(self, away: Exception) -> None:
        """What was read is not known to be in Redis: it is read again."""
        if not self.away:
            log.warning("Redis does not answer (%s); waiting for it", type(away).__name__)
        self.away = f"Redis does not answer ({type(away).__name__})"
        self._read_from({})
        self.stop.wait(IDLE)

    def _back(self) -> None:
        if self.away and self.copies:
            log.warning("Redis answers again")
            self.away = ""

    def unready(self) -> str:
        if self.away or not self._given:
            return self.away or UNASSIGNED
        behind = sum(not copied.ended for copied in list(self.copies.values())) + len(self._given) - len(self.copies)
        return f"{behind} partitions are being copied anew" if behind else ""

    def stuck(self, seconds: float) -> str:
        idle = time.monotonic() - self.progress
        return f"nothing was done for {idle:.0f} s" if idle > seconds else ""

    def _measure(self) -> None:
        """How far Redis is behind the changelogs, as far as the client knows their ends."""
        for place, copied in self.copies.items():
            changelog = self._changelogs[place.table]
            _, end = self._consumer.get_watermark_offsets(TopicPartition(changelog, place.partition), cached=True)
            lag = 0 if copied.at_end else max(0, end - copied.next)  # behind the last record stands a marker
            metrics.LAG.labels(PROJECTOR_GROUP, changelog, str(place.partition)).set(lag)

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Redis may be away, and this is the group's time: where to begin is asked in the next round."""
        metrics.REBALANCES.labels(PROJECTOR_GROUP).inc()
        metrics.ASSIGNED.labels(PROJECTOR_GROUP).set(len(given))
        self._given = [Place(self._tables[one.topic], one.partition) for one in given]
        self._read_from({})

    def _revoked(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        for one in taken:
            metrics.forget(metrics.LAG, PROJECTOR_GROUP, one.topic, str(one.partition))
        metrics.ASSIGNED.labels(PROJECTOR_GROUP).set(0)
        self._given, self.copies = [], {}

    def _grouped(self, messages: list[Message]) -> dict[Place, list[Change]]:
        """What was read, by place; the end of a partition is noted. Raises KafkaException for what waiting does not mend."""
        found: dict[Place, list[Change]] = {}
        for message in messages:
            place = Place(self._tables.get(message.topic() or "", ""), message.partition() or 0)
            failed, copied = message.error(), self.copies.get(place)
            if failed is None:
                if copied is not None:
                    change = Change(message.offset() or 0, (message.key() or b"").decode(), message.value() or b"")
                    found.setdefault(place, []).append(change)
                    copied.at_end = False
            elif failed.code() == KafkaError._PARTITION_EOF:
                if copied is not None:
                    copied.ended = copied.at_end = True
                    found.setdefault(place, [])
            elif failed.code() in RESET:
                self._lost.add(place)
                self._read_from({})
                return {}
            elif not failed.retriable() and failed.code() not in AWAY:
                raise KafkaException(failed)
        return found

    def _step(self, place: Place, changes: list[Change]) -> None:
        """Applies what follows on the stored offset; otherwise goes to where Redis is. Raises RedisError."""
        copied = self.copies.get(place)
        if copied is None:
            return
        stored = self._applied(place, copied, [change for change in changes if change.offset >= copied.next])
        if stored == copied.next:
            return
        if stored == NOTHING:
            log.info("the copy of %s/%d is made anew", *place)
            metrics.REBUILDS.labels(place.table).inc()
        again = self.copies[place] = self._begun(place)
        self._consumer.seek(self._at(place, again.next))

    def _applied(self, place: Place, copied: Copied, changes: list[Change]) -> int:
        """The offset that Redis then has; `next` moves along when it is the expected one."""
        expected = copied.next
        after = changes[-1].offset + 1 if changes else expected
        rows = {change.key: change.row for change in changes}
        position = b"".join(row for key, row in rows.items() if key.startswith(RESERVED))
        keys, values = [state_key(*place)], list[Any]()
        for key, row in rows.items():
            if not key.startswith(RESERVED):
                person, sub = split(key)
                keys.append(rows_key(*place, person))
                values += [sub or ONLY, row]
        done = "1" if self._completed(place, copied, position) else "0"
        head: list[Any] = [self.ids[self._changelogs[place.table]], str(expected), str(after), position, done]
        stored = int(self._apply(keys=keys, args=[*head, *values]))
        if stored == after:
            copied.next = after
            metrics.PROJECTED.labels(place.table).inc(len(rows))
        return stored

    def _completed(self, place: Place, copied: Copied, position: bytes) -> bool:
        """Whether reads may be answered: a new version of a table is folded from the beginning, and is not before it caught up."""
        if copied.complete or not copied.ended:
            return copied.ended
        stored = position or self._redis.hget(state_key(*place), "position")
        known = msgspec.json.decode(stored, type=PositionRow) if stored else PositionRow()
        try:
            copied.complete = not self._ends.missing(self._by_name[place.table], place.partition, known.next)
        except KafkaException as away:
            log.warning("the ends of the sources of %s/%d are not known yet (%s)", *place, away.args[0].str())
        return copied.complete

    def _begun(self, place: Place) -> Copied:
        """Where the copy goes on: at the stored offset, or 0 after whatever another changelog had left there was removed."""
        key, id = state_key(*place), self.ids[self._changelogs[place.table]]
        known, complete = self._redis.hmget(key, "changelog", "complete")
        if known is not None and known != id.encode():
            for old in self._redis.scan_iter(match=f"{{p{place.partition}}}:{place.table}:*", count=1000):
                self._redis.unlink(old)
        stored = int(self._begin(keys=[key], args=[id]))
        return Copied(stored, complete=known == id.encode() and complete == b"1")


def run(settings: Settings) -> None:
    """Runs until it is told to stop. Raises Differs or Stopped with a sentence."""
    start.run(settings, settings.telemetry.projector_port, lambda *given: work(settings, *given))


def work(settings: Settings, ids: Ids, health: Health, stop: Event) -> None:
    projector = Projector(settings, ids, stop)
    health.live = lambda: projector.stuck(settings.worker.stuck_seconds)
    health.ready = lambda: refusals.sentence() or projector.unready()
    try:
        projector.run()
    except KafkaException as broken:
        raise Stopped(f"the changelogs cannot be read: {broken.args[0].str()}") from broken
