"""Dead letters as an operator sees them: what was set aside, where it came from, why, and whether it was sent back.

A dead-letter topic may hold millions, so it is streamed, one partition after the other, and nothing is kept of it here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from config import Kafka
from schemas import DeadLetterRedriven, Malformed
from schemas.compiled import decoder
from schemas.frozen import frozen
from schemas.wire import FRAME, decode
from topics import LETTERS, TOPICS, Topic
from topics.broker import reader
from topics.place import Position

ERRORS = "__streams.errors."  # prefix of the headers of KIP-1034
REASON = "soulfra.reason"
REDRIVEN = (
    "soulfra.redriven"  # `usage.recorded.dlq/3@17 2`: the letter that the record was, and how often it was sent back
)
REASONS = ("malformed", "refused", "failed")
UNKNOWN = "unknown"
WITHIN = 15.0  # seconds for an answer of the broker
BATCH = 500  # letters read at once

Headers = list[tuple[str, bytes | None]]


class NoAnswer(Exception):
    """The broker does not have the dead letters, or does not answer; the message says what to do."""


class Span(NamedTuple):
    """The letters of one partition that were there when somebody looked."""

    topic: Topic
    partition: int
    start: int
    end: int


@dataclass(frozen=True)
class DeadLetter:
    """One record on a dead-letter topic."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Headers
    at: datetime

    @cached_property
    def _last(self) -> dict[str, str]:
        """By name; of two headers of a name the later one is ours."""
        return {name: (value or b"").decode(errors="replace") for name, value in self.headers}

    @property
    def reason(self) -> str:
        """`malformed`, `refused` or `failed`; `unknown` where it was not our worker that wrote the letter."""
        reason = self._last.get(REASON, "")
        return reason if reason in REASONS else UNKNOWN

    @property
    def message(self) -> str:
        return self._last.get(f"{ERRORS}message", "")

    @property
    def original(self) -> Position | None:
        """Where the record was; None for a letter that does not say so, or names another topic than its own."""
        partition, offset = (self._last.get(f"{ERRORS}{name}", "") for name in ("partition", "offset"))
        topic = self._last.get(f"{ERRORS}topic", "")
        if f"{topic}.dlq" != self.position.topic or not (partition.isdecimal() and offset.isdecimal()):
            return None
        return Position(topic, int(partition), int(offset))

    @property
    def times(self) -> int:
        """How often the record had been sent back before it became this letter."""
        _, _, times = self._last.get(REDRIVEN, "").partition(" ")
        return int(times) if times.isdecimal() and len(times) < 9 else 0

    def original_headers(self) -> Headers:
        """The record's own, and where it comes from now."""
        own = [(name, value) for name, value in self.headers if not _added(name)]
        return [*own, (REDRIVEN, f"{self.position} {self.times + 1}".encode())]


def _added(name: str) -> bool:
    return name.startswith(ERRORS) or name in (REASON, REDRIVEN)


@dataclass(frozen=True)
class Selection:
    """Which letters somebody means."""

    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, letter: DeadLetter) -> bool:
        return (
            self.reason in ("", letter.reason)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )


class Letters:
    """Reads the dead letters of a broker. Raises NoAnswer with a sentence."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    def spans(self, topics: Iterable[Topic] = TOPICS) -> list[Span]:
        """Where letters are now, in the catalogue's order; what comes later is not in them."""
        with closing(self._consumer()) as consumer:
            return [
                span for topic in topics for span in self._spans(consumer, topic, topic.dead) if span.end > span.start
            ]

    def read(self, spans: Iterable[Span]) -> Iterator[DeadLetter]:
        """All letters of the spans, each partition in order."""
        with closing(self._consumer()) as consumer:
            yield from map(_letter, _records(consumer, {(span.topic.dead, span.partition): span for span in spans}))

    def at(self, position: Position) -> DeadLetter | None:
        """One letter; None where there is none (any more)."""
        topic = topic_of_letter(position)
        for span in self.spans([topic]):
            if span.partition == position.partition and span.start <= position.offset < span.end:
                exact = span._replace(start=position.offset, end=position.offset + 1)
                return next((letter for letter in self.read([exact]) if letter.position == position), None)
        return None

    def redriven(self, spans: Iterable[Span]) -> Redriven:
        """Which letters of the spans were sent back before, by the audit events."""
        known = Redriven(spans)
        with closing(self._consumer()) as consumer:
            audits = self._spans(consumer, LETTERS, LETTERS.name)
            of_spans = {(LETTERS.name, one.partition): one for one in audits if one.partition in known.partitions}
            for message in _records(consumer, of_spans):
                known.add(message)
        return known

    def _consumer(self) -> Consumer:
        return Consumer(reader(self._kafka, "letters", f"soulfra-letters-{uuid.uuid4().hex}"))

    def _spans(self, consumer: Consumer, topic: Topic, name: str) -> list[Span]:
        try:
            partitions = sorted(consumer.list_topics(name, timeout=WITHIN).topics[name].partitions)
            ends = {n: consumer.get_watermark_offsets(TopicPartition(name, n), timeout=WITHIN) for n in partitions}
        except KafkaException as away:
            raise NoAnswer(f"no Kafka broker answers at {self._kafka.bootstrap} ({away.args[0].str()}); "
                           "is it running, and does SOULFRA_KAFKA__BOOTSTRAP name it?") from None  # fmt: skip
        if not ends:
            raise NoAnswer(f"the topic {name} does not exist; run `soulfra topics apply`")
        return [Span(topic, n, *low_high) for n, low_high in ends.items() if low_high]


def _records(consumer: Consumer, spans: Mapping[tuple[str, int], Span]) -> Iterator[Message]:
    """Committed records up to each span's end."""
    left = {place: span for place, span in spans.items() if span.end > span.start}
    consumer.assign([TopicPartition(*place, span.start) for place, span in left.items()])
    while left:
        first = consumer.poll(WITHIN)
        if first is None:
            places = ", ".join(f"{topic}/{partition}" for topic, partition in sorted(left)[:5])
            raise NoAnswer(f"{places} were not read to their end: nothing came for {WITHIN:.0f} s; try again")
        for message in [first, *consumer.consume(BATCH, 0)]:
            place = (message.topic() or "", message.partition() or 0)
            span = left.get(place)
            if span is None:
                _alive(message)
                continue
            if _ended(message) or (message.offset() or 0) >= span.end:
                del left[place]
                consumer.incremental_unassign([TopicPartition(*place)])
            elif message.error() is None:
                yield message


def _alive(message: Message) -> None:
    """Raises NoAnswer where no broker is there any more."""
    error = message.error()
    if error is not None and (error.fatal() or error.code() == KafkaError._ALL_BROKERS_DOWN):
        raise NoAnswer(f"no Kafka broker answers any more ({error.str()}); try again when it is back")


def _ended(message: Message) -> bool:
    """At the end, or where retention has removed what was still there a moment ago. Raises NoAnswer."""
    error = message.error()
    if error is None or error.retriable():
        return False
    if error.code() in (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        return True
    raise NoAnswer(f"{message.topic()}/{message.partition()} cannot be read: {error.str()}")


def _letter(message: Message) -> DeadLetter:
    position = Position(message.topic() or "", message.partition() or 0, message.offset() or 0)
    at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
    headers: Any = message.headers() or []
    return DeadLetter(position, message.key(), message.value(), list(headers), at)


class Redriven:
    """Which letters of some spans were sent back: one bit a letter, as there may be millions."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = {(span.topic.dead, span.partition): span for span in spans}
        self._bits = {place: bytearray((span.end - span.start + 7) // 8) for place, span in self._spans.items()}
        self.partitions = {partition for _, partition in self._spans}

    def add(self, message: Message) -> None:
        """Notes what an audit event says; what is no such event says nothing."""
        headers: Any = message.headers() or []
        try:
            event = decode(message.key(), message.value(), headers)
        except Malformed:
            return
        if isinstance(event, DeadLetterRedriven):
            self._mark((event.topic, event.partition), event.offset)

    def _mark(self, place: tuple[str, int], offset: int) -> None:
        span = self._spans.get(place)
        if span is not None and span.start <= offset < span.end:
            at = offset - span.start
            self._bits[place][at // 8] |= 1 << at % 8

    def __contains__(self, position: Position) -> bool:
        span = self._spans.get((position.topic, position.partition))
        if span is None or not span.start <= position.offset < span.end:
            return False
        at = position.offset - span.start
        return bool(self._bits[position.topic, position.partition][at // 8] & 1 << at % 8)


def topic_of_letter(position: Position) -> Topic:
    """The topic that a letter came from. Raises ValueError with a sentence."""
    for topic in TOPICS:
        if topic.dead == position.topic:
            return topic
    raise ValueError(f"{position} is no dead letter; it looks like usage.recorded.dlq/3@17")


def body_of(value: bytes | None) -> Mapping[str, Any] | None:
    """What a value says, where it is written with a contract of ours; else None."""
    if not value or len(value) < FRAME.size:
        return None
    magic, schema_id = FRAME.unpack_from(value)
    contract = next((one for one in frozen() if one.id == schema_id), None)
    if magic or contract is None:
        return None
    try:
        body: Mapping[str, Any] = decoder(contract.schema, start=FRAME.size)(value)
    except Exception:  # a decoder raises whatever the bytes make it raise
        return None
    return {"event": contract.record, **body}
