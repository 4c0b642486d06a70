"""How far a table must be folded before its copy counts as complete: what its source topics held when that was asked first."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from config import Kafka
from topics import Table
from topics.broker import reader

WITHIN = 10.0  # seconds for an answer
FIRST_STEP = 4  # records looked at from the end; then four times as many


class SourceEnds:
    """Where the last event of each source partition lies. Each is looked up once: a new table appears with a new process only."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._known: dict[tuple[str, int], int] = {}

    def missing(self, table: Table[Any], partition: int, next: Mapping[str, int]) -> bool:
        """Whether rows that contain everything below `next` lack events that were there. Raises KafkaException."""
        return any(self._end(topic.name, partition) > next.get(topic.name, 0) for topic in table.folded_from)

    def _end(self, topic: str, partition: int) -> int:
        place = topic, partition
        if place not in self._known:
            self._known[place] = _end(self._consumer, *place)
        return self._known[place]

    @cached_property
    def _consumer(self) -> Consumer:
        return Consumer(reader(self._kafka, "projector-ends", f"soulfra-projector-ends-{uuid.uuid4().hex}"))


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    """The offset behind the last committed event; 0 without one. The watermark would count markers of transactions, too."""
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=WITHIN)
    step = FIRST_STEP
    while low < high:
        start = max(low, high - step)
        if end := _last(consumer, TopicPartition(topic, partition, start)):
            return end
        if start == low:
            break
        step *= 4
    return 0


def _last(consumer: Consumer, place: TopicPartition) -> int:
    """The offset behind the last event from a place on; 0 without one."""
    consumer.assign([place])
    end = 0
    while (message := consumer.poll(WITHIN)) is not None:
        error = message.error()
        if error is None:
            end = (message.offset() or 0) + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            return end
        elif not error.retriable():
            raise KafkaException(error)
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
