"""The tables worker's work on one record: decode, judge, fold, send what follows.

Nothing is awaited. What is written and sent goes into one transaction with the record's position, or, where this
raises, nowhere: the engine dead-letters the record (`streams/engine/`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from config import metrics
from config.telemetry import TRACE
from schemas import Event, Malformed
from schemas.extensions import trace_of
from schemas.wire import Headers, Lookup, Record, Unknown, decode, encode
from soulfra.moment import implausible
from streams.engine import Refused
from streams.fold import Rows, Stores, folded
from topics import TOPICS, Topic, topic_named, topic_of
from topics.place import Position, partition_of

PIPELINE = "tables"
FORWARDED = "soulfra.forwarded"

Send = Callable[[str, int, Record], None]


class Ledger:
    """Keeps the tables of the partitions this process owns. `send` takes topic, partition and record."""

    def __init__(self, tables: Stores, partitions: int, foreign: Lookup, send: Send) -> None:
        self.tables, self.partitions, self.foreign, self.send = tables, partitions, foreign, send
        self._taken = {topic.name: metrics.EVENTS.labels(PIPELINE, topic.name) for topic in TOPICS}
        self._processing = metrics.PROCESSING.labels(PIPELINE)
        self._late = metrics.E2E.labels(PIPELINE)

    def take(self, message: Any) -> None:
        """Folds one record. Raises Refused for what cannot be taken, Unknown for what may be known elsewhere."""
        started = time.perf_counter()
        place = Position(message.topic, message.partition, message.offset)
        headers = headers_of(message.headers)
        TRACE.set(trace_of(headers))
        event = self._decoded(message, headers)
        self._taken[place.topic].inc()
        if not self._moved(event, place, message, headers):
            _judge(event, topic_named(place.topic), message)
            for caused in folded(event, Rows(place, self.tables, self.partitions)):
                self.send(topic_of(caused).name, partition_of(caused.key, self.partitions), encode(caused, TRACE.get()))
            self._observe(event)
        self._processing.observe(time.perf_counter() - started)

    def _decoded(self, message: Any, headers: Headers) -> Event:
        try:
            return decode(message.key, message.value, headers, self.foreign)
        except Unknown:
            raise
        except Malformed as malformed:
            self._taken[message.topic].inc()
            raise Refused(str(malformed)) from malformed

    def _moved(self, event: Event, place: Position, message: Any, headers: Headers) -> bool:
        """Sends the same bytes to their own partition, if this is not it."""
        if topic_named(place.topic).key != "user":
            return False
        own = partition_of(event.key, self.partitions)
        if own == place.partition:
            return False
        metrics.FORWARDED.labels(place.topic).inc()
        added = [*headers, (FORWARDED, str(place).encode())]
        self.send(place.topic, own, Record(message.key, message.value, added))
        return True

    def _observe(self, event: Event) -> None:
        late = time.time() - event.time.timestamp()
        self._late.observe(max(0.0, late))
        if late < 0:
            metrics.CLOCK_SKEW.labels(topic_of(event).name).inc()


def _judge(event: Event, topic: Topic, message: Any) -> None:
    """Raises Refused for what is well formed and cannot be taken."""
    if type(event) not in topic.events:
        raise Refused(f"{event.ce_type()} is said on {topic_of(event).name}, not here")
    if wrong := implausible(event, datetime.fromtimestamp(message.timestamp, UTC)):
        raise Refused(wrong)


def headers_of(given: Any) -> Headers:
    pairs = given.items() if isinstance(given, Mapping) else given or ()
    return [(str(name), value or b"") for name, value in pairs]
