"""One commit, step by step: outputs, changed rows, positions and offsets, all or nothing.

The order is what makes it exact (Kafka KIP-98 and KIP-447; confluentinc/librdkafka#5423 has no KIP-890 yet):
everything is in the broker's log before the group is asked, so that whoever takes the partitions over sees an open
transaction and waits for its end; the group is asked with the generation under which the records were fetched, so
that a worker that was given up is refused; and whatever goes wrong, the producer is thrown away and the rows are read
back, because an end that timed out may have happened.

Each function is a generator of the names of its steps: the engine runs through it, a test stops, kills or interleaves
it between two steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import TopicPartition

from streams.engine.codec import Codec
from streams.engine.position import encode, key_of
from streams.engine.rows import GONE
from streams.engine.shard import Change, Output, Shard

WITHIN = 10.0  # seconds for one call to the broker
TURNS = 2  # producers of exactly once


class Changelog(NamedTuple):
    """Where a table's rows are written, and whether they are kept in a store that wants to know the offset."""

    topic: str
    codec: Codec
    stored: bool = False


@dataclass
class Cut:
    """A moment at which no event is half done: what was folded since the last one."""

    generation: Any
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    positions: list[tuple[int, list[bytes]]] = field(default_factory=list)  # partition number, record of each table
    raw: dict[tuple[int, int], dict[bytes, bytes | None]] = field(default_factory=dict)  # as written: (table, number)
    ends: dict[tuple[int, int], int] = field(default_factory=dict)  # next changelog offset: (table, number)
    number: int = 0

    def __bool__(self) -> bool:
        return bool(self.offsets or self.changes or self.outputs)

    def add(self, shard: Shard) -> None:
        """Takes what a shard has."""
        changes, outputs = shard.take()
        self.changes += changes
        self.outputs += outputs
        moved = {topic: end for topic, end in shard.next.items() if shard.committed.get(topic) != end}
        if moved or changes:
            self.offsets |= {(topic, shard.number): end for topic, end in moved.items()}
            self.positions.append((shard.number, list(map(encode, shard.positions()))))
            shard.committed |= moved


class Undelivered(Exception):
    """The broker did not take a record, or did not say so in time."""


class Keeper:
    """Takes partitions over and commits what was folded, with two producers in turn.

    A transaction that was committed is not over: its markers are still to be written, and one that begins on their heels is
    sent away for 20 ms. So the next one is the other producer's. `new_producer` takes a number and the call-back for delivery
    reports. Both are made, and their open transactions of an earlier life ended, before anything is read or written; both are
    thrown away when a commit does not end well.
    """

    def __init__(self, changelogs: Sequence[Changelog], exactly: bool, new_producer: Callable[[int, Any], Any]) -> None:
        self.changelogs, self.exactly, self._new_producer = changelogs, exactly, new_producer
        self.producers: deque[Any] = deque()
        self._failed = ""

    @property
    def producer(self) -> Any:
        """Whose turn it is."""
        return self.producers[0] if self.producers else None

    def begin(self) -> Iterator[str]:
        """Raises KafkaException."""
        if not self.producers:
            self._begin()
            yield "fenced"

    def take_over(self, recovery: Any) -> Iterator[str]:
        """Raises KafkaException."""
        yield from self.begin()
        yield from recovery.run()

    def commit(self, cut: Cut) -> Iterator[str]:
        """Raises KafkaException or Undelivered: whether the cut was committed is then not known."""
        try:
            if not self.producers:
                self._begin()
            yield from self._steps(cut)
        except Exception:
            self.producers.clear()
            raise
        self.producers.rotate()

    def _begin(self) -> None:
        self._failed = ""
        made = [self._new_producer(number, self._reported) for number in range(TURNS if self.exactly else 1)]
        if self.exactly:
            for producer in made:
                producer.init_transactions(WITHIN)
        self.producers.extend(made)

    def _steps(self, cut: Cut) -> Iterator[str]:
        if self.exactly:
            self.producer.begin_transaction()
            yield "begun"
        self._produce(cut)
        yield "produced"
        self._flush()
        yield "flushed"
        if self.exactly:
            if cut.offsets:
                self._offer(cut)
                yield "offered"
            self.producer.commit_transaction(WITHIN)
            yield "committed"

    def _offer(self, cut: Cut) -> None:
        """Asks the group, which refuses a worker that was given up."""
        offsets = [TopicPartition(topic, number, end) for (topic, number), end in cut.offsets.items()]
        self.producer.send_offsets_to_transaction(offsets, cut.generation, WITHIN)

    def _produce(self, cut: Cut) -> None:
        send, produce = self._send, self.producer.produce
        known: set[str] = set()  # topics of which one report is asked for: it names what is wrong with the topic
        for _, topic, key, value, partition, timestamp, headers, sent in cut.outputs:
            if topic in known and headers is None and not timestamp and not (sent and sent.wanted):
                try:
                    produce(topic, value, key, partition)
                    continue
                except BufferError:
                    pass
            known.add(topic)
            told = self._told(sent) if sent and sent.wanted else self._reported
            send(topic, key, value, partition, timestamp, headers, told)
        for change in cut.changes:
            self._write(change, cut)
        for number, positions in cut.positions:
            for table, (changelog, position) in enumerate(zip(self.changelogs, positions, strict=True)):
                noted = _noted(cut, table, number) if changelog.stored else None
                send(changelog.topic, key_of(number), position, number, 0, None, noted)

    def _write(self, change: Change, cut: Cut) -> None:
        """One record per changed row, its newest value."""
        topic, codec, _ = self.changelogs[change.table]
        encode_key, encode_value, reserved = codec.encode_key, codec.encode_value, key_of(change.partition)
        raw = {encode_key(key): None if value is GONE else encode_value(value) for key, value in change.rows.items()}
        if reserved in raw:
            raise ValueError(f"{topic}: the key {reserved!r} is reserved for the position; use another key")
        cut.raw[change.table, change.partition] = raw
        produce, partition = self.producer.produce, change.partition
        for key, value in raw.items():
            try:
                produce(topic, value, key, partition)
            except BufferError:
                self._send(topic, key, value, partition, 0, None, None)

    def _send(self, topic: str, key: Any, value: Any, partition: int, timestamp: int, headers: Any, told: Any) -> None:
        more: dict[str, Any] = {}
        if headers:
            more["headers"] = headers
        if timestamp:
            more["timestamp"] = timestamp
        if told is not None:
            more["on_delivery"] = told
        while True:
            try:
                self.producer.produce(topic, value, key, partition, **more)
                return
            except BufferError:
                self.producer.poll(0.05)  # its buffer is full: wait for the broker

    def _flush(self) -> None:
        left = self.producer.flush(WITHIN)
        if self._failed:
            raise Undelivered(self._failed)
        if left:
            raise Undelivered(f"{left} records were not taken within {WITHIN:.0f} s")

    def _told(self, sent: Any) -> Callable[[Any, Any], None]:
        """For delivery reports of records that somebody waits for."""

        def told(error: Any, message: Any) -> None:
            if error is None:
                sent.delivered(message)
            else:
                self._reported(error, message)

        return told

    def _reported(self, error: Any, message: Any) -> None:
        """Delivery report of a record that nobody asked after."""
        if error is not None:
            self._failed = f"a record of {message.topic()} was not taken: {error.str()}"


def _noted(cut: Cut, table: int, number: int) -> Any:
    def note(error: Any, message: Any) -> None:
        if error is None:
            cut.ends[table, number] = message.offset() + 1

    return note
