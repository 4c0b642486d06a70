"""What an installation knows of itself: facts in one small compacted topic, a record for each, by key.

`installation` is the name of the one whose secret was used first: another one's hashes would match nothing in this log.
`contracts` is the newest frozen contract and the event types of the newest release whose topics were applied. A process
of an older release learns from it that an event which it cannot read is one of its installation, and not an invention.
"""

from __future__ import annotations

import logging
import time
from functools import reduce

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from config import Kafka
from schemas import EVENTS
from schemas.frozen import frozen
from topics import INSTALLATION
from topics.broker import producer, reader
from topics.place import partition_of

log = logging.getLogger("soulfra.topics")

CONTRACTS, CLAIM = "contracts", "installation"  # the keys
WITHIN = 10.0  # seconds to read or write a fact
PATIENTLY = 45.0  # seconds to read one where the topic may have been created a moment ago, among many


class Unread(Exception):
    """The installation's topic cannot be read or written; the message says why."""


class Contracts(msgspec.Struct, frozen=True):
    """The newest frozen id, and the types of events."""

    newest: int = 0
    events: tuple[str, ...] = ()

    def __or__(self, other: Contracts) -> Contracts:
        """What either knows. Knowledge only grows: an older release takes nothing back."""
        return Contracts(max(self.newest, other.newest), tuple(sorted({*self.events, *other.events})))


def ours() -> Contracts:
    """Of this release."""
    return Contracts(frozen()[-1].id, tuple(sorted(event.ce_type() for event in EVENTS)))


def recorded(kafka: Kafka, within: float = WITHIN) -> Contracts:
    """What any release recorded; nothing before the first did. Raises Unread."""
    return reduce(Contracts.__or__, map(_parsed, read(kafka, CONTRACTS, within)), Contracts())


def record(kafka: Kafka) -> Contracts | None:
    """Adds what this release knows; None when nothing was new. Raises Unread."""
    before = recorded(kafka, PATIENTLY)
    grown = before | ours()
    if grown == before:
        return None
    write(kafka, CONTRACTS, msgspec.json.encode(grown))
    return grown


def claimed(kafka: Kafka, within: float = WITHIN) -> str:
    """The installation that the topics belong to; empty before one claimed them. Raises Unread."""
    return next((value.decode(errors="replace") for value in read(kafka, CLAIM, within)), "")


def claim(kafka: Kafka, id: str) -> str:
    """Claims topics that nobody has, and returns their owner: of two that claim at once, the first in the log. Raises Unread."""
    write(kafka, CLAIM, id.encode())
    owner = claimed(kafka)
    if owner != id:
        write(kafka, CLAIM, owner.encode())  # compaction keeps the last
    return owner


def _parsed(value: bytes) -> Contracts:
    try:
        return msgspec.json.decode(value, type=Contracts)
    except msgspec.DecodeError as wrong:
        log.warning("a record of %s under the key %s is passed over: %s", INSTALLATION, CONTRACTS, wrong)
        return Contracts()


def read(kafka: Kafka, key: str, within: float = WITHIN) -> list[bytes]:
    """Every value of a fact that compaction has left, the newest last. Raises Unread."""
    consumer = Consumer(reader(kafka, "installation", INSTALLATION))
    try:
        consumer.assign([TopicPartition(INSTALLATION, partition_of(key, kafka.partitions), OFFSET_BEGINNING)])
        there = _to_the_end(consumer, within)
        return [message.value() or b"" for message in there if message.key() == key.encode()]
    except KafkaException as wrong:
        raise Unread(f"{INSTALLATION} cannot be read: {wrong.args[0].str()}") from None
    finally:
        consumer.close()


def _to_the_end(consumer: Consumer, within: float) -> list[Message]:
    messages: list[Message] = []
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        message = consumer.poll(left)
        error = message.error() if message is not None else None
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            return messages
        if message is not None and error is None:
            messages.append(message)
    raise Unread(f"{INSTALLATION} cannot be read: the broker did not answer within {within:.0f} s")


def write(kafka: Kafka, key: str, value: bytes) -> None:
    """Raises Unread unless the fact is stored."""
    errors: list[str] = []
    writer = Producer(producer(kafka, "installation"))
    writer.produce(
        INSTALLATION,
        value,
        key.encode(),
        partition_of(key, kafka.partitions),
        on_delivery=lambda error, _: errors.append(error.str()) if error else None,
    )
    if writer.flush(WITHIN) or errors:
        raise Unread(f"{INSTALLATION} cannot be written: {errors[0] if errors else 'the broker did not answer'}")
