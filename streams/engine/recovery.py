"""Taking partitions over: reading the rows and the position back from the changelogs, and finding where to go on.

Reads committed records only, but ends no earlier than the high watermark that counts uncommitted ones too: an open
transaction of the former owner hides whatever was committed behind it, so its end has to be waited for. The
watermark is asked for after `init_transactions`, which ends an open transaction of our own. One that ends never
(`hanging.py`) ends the recovery instead.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streams.engine.position import decode, key_of
from streams.engine.shard import Shard
from streams.engine.transaction import Changelog

BATCH = 10_000  # records at once
IDLE = 0.2  # seconds to wait for one
Place = tuple[str, int]


class Recreated(Exception):
    """A source topic is not the one that the tables were folded from."""


class HeldBack(Exception):
    """Changelogs cannot be read to their ends: a transaction is open in them for longer than any of ours may be."""


class Asked(Protocol):
    """What a recovery asks the cluster."""

    def ends(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """High watermarks, uncommitted records included."""

    def committed(self, places: Sequence[Place]) -> Mapping[Place, int | None]:
        """The group's offsets, after every open transaction that changes them."""

    def ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        """A topic made anew has another id."""

    def open(self, places: Sequence[Place]) -> Sequence[str]:
        """A sentence for each transaction that is open there: partition, offset, producer and what its coordinator says."""


@dataclass
class Recovery:
    """Of some shards at once. `remaining` tells how many records of each changelog are still to be read.

    Without progress for `patience` seconds it looks for open transactions and says in `held` what it waits for; after twice
    that it ends.
    """

    shards: Sequence[Shard]
    changelogs: Sequence[Changelog]
    sources: Mapping[int, Sequence[str]]  # topics by partition number
    asked: Asked
    new_reader: Callable[[], Any]  # a consumer that reads committed records and tells the end of a partition
    stop: Callable[[], bool] = lambda: False
    patience: float = 10.0
    held: str = ""
    remaining: dict[Place, int] = field(default_factory=dict)
    _moved: float = 0.0  # when something was read last
    _looked: float = 0.0  # when open transactions were looked for last
    _at: dict[Place, int] = field(default_factory=dict)
    _ends: dict[Place, int] = field(default_factory=dict)
    _reader: Any = None

    def run(self) -> Iterator[str]:
        """Leaves each shard with its rows, its position and, in `next`, where every source goes on; -1: nowhere yet.

        Raises KafkaException, or Recreated or HeldBack with a sentence. The step is "waiting" where nothing was read.
        """
        places = {
            (log.topic, shard.number): (shard, n) for shard in self.shards for n, log in enumerate(self.changelogs)
        }
        self._ends = dict(self.asked.ends(list(places))) if places else {}
        yield "ends known"
        for place, (shard, table) in places.items():
            rows = shard.rows[table]
            if rows.start > self._ends[place]:
                rows.forget()
            self._at[place] = rows.start
            if rows.position is not None:
                _found(shard, table, rows.position)
        self._measure()
        if self.remaining:
            yield from self._read_back(places)
        self._go_on()
        yield "recovered"

    def _read_back(self, places: Mapping[Place, tuple[Shard, int]]) -> Iterator[str]:
        self._reader = self.new_reader()
        try:
            self._reader.assign([TopicPartition(*place, self._at[place]) for place in self.remaining])
            self._moved = time.monotonic()
            while self.remaining and not self.stop():
                before = sum(self.remaining.values())
                for place, messages in self._read().items():
                    _load(*places[place], messages)
                self._measure()
                yield "read" if self._has_moved(before) else "waiting"
        finally:
            self._reader.close()

    def _has_moved(self, before: int) -> bool:
        """Whether records were read, or the broker is asked in time why none are. Raises HeldBack."""
        now = time.monotonic()
        if sum(self.remaining.values()) != before:
            self._moved, self.held = now, ""
            return True
        if now - max(self._moved, self._looked) > self.patience:
            self._looked = now
            self.held = "; ".join(self.asked.open(list(self.remaining)))
            if not self.held:
                self._moved = now
            elif now - self._moved > 2 * self.patience:
                raise HeldBack(f"changelogs cannot be read to their ends: {self.held}")
        return False

    def _measure(self) -> None:
        self.remaining = {place: end - self._at[place] for place, end in self._ends.items() if end > self._at[place]}

    def _read(self) -> dict[Place, list[Message]]:
        """The next records by partition. The end of a partition moves its place past markers of transactions."""
        messages = self._reader.consume(BATCH, 0)
        if not messages:
            first = self._reader.poll(IDLE)
            messages = [first, *self._reader.consume(BATCH, 0)] if first is not None else []
        found: dict[Place, list[Message]] = defaultdict(list)
        topics: Any = map(Message.topic, messages)
        numbers: Any = map(Message.partition, messages)
        for message, topic, number in zip(messages, topics, numbers, strict=True):
            if message.error() is None:
                found[topic, number].append(message)
            else:
                self._told(message.error(), topic, number, message.offset())
        for place, several in found.items():
            self._at[place] = max(self._at[place], behind(several))
        return found

    def _told(self, error: KafkaError, topic: Any, number: Any, offset: Any) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._at[topic, number] = max(self._at[topic, number], offset)
        elif not error.retriable() and error.code() not in AWAY:
            raise KafkaException(error)

    def _go_on(self) -> None:
        topics = sorted({topic for number in self.sources.values() for topic in number})
        ids = self.asked.ids(topics)
        places = [(topic, s.number) for s in self.shards for topic in self.sources[s.number]]
        groups = self.asked.committed(places) if not self.changelogs else {}  # with tables the position record decides
        for shard in self.shards:
            mine = self.sources[shard.number]
            _same_topics(shard, ids)
            shard.ids = {topic: ids[topic] for topic in mine}
            for topic in mine:
                start = shard.start_of(topic) if shard.stored and _known(shard) else None
                if start is None:
                    start = groups.get((topic, shard.number))
                shard.next[topic] = -1 if start is None else start


AWAY = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}


def behind(messages: list[Message]) -> int:
    """The offset behind the last of some records of one partition."""
    return (messages[-1].offset() or 0) + 1


def _known(shard: Shard) -> bool:
    return any(stored.next for stored in shard.stored)


def _load(shard: Shard, table: int, messages: list[Message]) -> None:
    """Newest value by key; the position is told apart by its key."""
    raw: dict[Any, Any] = dict(zip(map(Message.key, messages), map(Message.value, messages), strict=True))
    position = raw.pop(key_of(shard.number), None)
    if position is not None:
        _found(shard, table, position)
    shard.rows[table].load(raw, position, behind(messages))


def _found(shard: Shard, table: int, position: bytes) -> None:
    shard.stored[table] = decode(position)
    shard.at = max((at for at in (shard.at, shard.stored[table].at) if at), default=None)


def _same_topics(shard: Shard, ids: Mapping[str, str]) -> None:
    for stored in shard.stored:
        for topic, known in stored.ids.items():
            if ids.get(topic, known) != known:
                raise Recreated(f"{topic} was deleted and made anew since the tables were folded from it")
