"""Fetching in a thread of its own: one librdkafka consumer that reads exactly what it is told to."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from threading import Condition, Thread
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.engine.options import Options
from streams.engine.recovery import AWAY, Place

SAMPLED = 16  # one record of so many is measured
IDLE = 0.05  # seconds to wait for a record before looking at what else is wanted


class Fetched(NamedTuple):
    """Records of one partition in order, fetched in one go; `end` when the partition has no more, the next offset."""

    place: Place
    start: int  # which start of the partition they belong to
    messages: list[Message]
    end: int | None


class Fetcher(Thread):
    """Reads until it is stopped. `fetched` is what the event loop takes, `arrived` wakes it."""

    def __init__(self, configuration: Mapping[str, Any], options: Options, arrived: Callable[[], None]) -> None:
        super().__init__(name="engine fetch", daemon=True)
        self._consumer = Consumer(dict(configuration))
        self._options, self._ahead, self._arrived = options, options.prefetch, arrived
        self.fits = options.pending  # records of the size of those fetched last that `prefetch_kb` has room for
        self._wanted: deque[tuple[str, Any]] = deque()
        self._changed = Condition()
        self._starts: dict[Place, int] = {}
        self._reading: dict[Place, int] = {}  # with the number of its start
        self._running = True
        self._full = False  # whether there is probably more at once
        self.fetched: deque[list[Fetched]] = deque()
        self.failed: BaseException | None = None

    def begin(self, places: Mapping[Place, int]) -> dict[Place, int]:
        """Reads partitions from an offset on, or from the beginning for -1. Returns the number of each start."""
        for place in places:
            self._starts[place] = self._starts.get(place, 0) + 1
        starts = {place: self._starts[place] for place in places}
        self._want("begin", (dict(places), starts))
        return starts

    def end(self, places: Iterable[Place]) -> None:
        self._want("end", list(places))

    def pause(self, places: Iterable[Place]) -> None:
        self._want("pause", list(places))

    def resume(self, places: Iterable[Place]) -> None:
        self._want("resume", list(places))

    def take(self) -> list[Fetched] | None:
        """What was fetched next, or None."""
        if not self.fetched:
            return None
        taken = self.fetched.popleft()
        if len(self.fetched) == self._ahead - 1:
            with self._changed:
                self._changed.notify()
        return taken

    def end_of(self, place: Place) -> int:
        """The partition's end as the broker told it last; negative while unknown."""
        return int(self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1])

    def stop(self) -> None:
        self._want("stop", None)

    def _want(self, what: str, of: Any) -> None:
        with self._changed:
            self._wanted.append((what, of))
            self._changed.notify()

    def run(self) -> None:
        try:
            while self._running:
                with self._changed:
                    while not self._wanted and (not self._reading or len(self.fetched) >= self._ahead):
                        self._changed.wait()
                while self._wanted:
                    self._obey(*self._wanted.popleft())
                if self._running and self._reading:
                    self._fetch()
        except BaseException as failed:  # told by the event loop, which ends the process
            self.failed = failed
            self._arrived()
        finally:
            self._consumer.close()

    def _obey(self, what: str, of: Any) -> None:
        match what:
            case "begin":
                places, starts = of
                self._reading |= starts
                self._consumer.incremental_assign([_at(place, offset) for place, offset in places.items()])
                self._consumer.resume([TopicPartition(*place) for place in places])  # a pause survives an assignment
            case "end":
                gone = [place for place in of if self._reading.pop(place, None)]
                if gone:
                    self._consumer.incremental_unassign([TopicPartition(*place) for place in gone])
            case "pause" | "resume":
                there = [TopicPartition(*place) for place in of if place in self._reading]
                if there:
                    (self._consumer.pause if what == "pause" else self._consumer.resume)(there)
            case _:
                self._running = False

    def _fetch(self) -> None:
        """`consume(n, t)` would wait until it has n; so what is there is taken, and only the first is waited for."""
        size = min(self._options.fetch, 1 + self.fits // self._ahead)
        messages = self._consumer.consume(size, 0) if self._full else []
        if not messages:
            first = self._consumer.poll(IDLE)
            if first is None:
                return
            messages = [first, *self._consumer.consume(size, 0)]
        self._full = len(messages) >= size
        some = messages[::SAMPLED]
        self.fits = 1 + self._options.prefetch_kb * 1024 * len(some) // (1 + sum(map(_size, some)))
        self.fetched.append(self._sorted(messages))
        self._arrived()

    def _sorted(self, messages: list[Message]) -> list[Fetched]:
        """By partition, in order."""
        found: dict[Place, list[Message]] = defaultdict(list)
        ends: dict[Place, int] = {}
        if any(map(Message.error, messages)):
            good = []
            for message in messages:
                error = message.error()
                if error is None:
                    good.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ends[message.topic(), message.partition()] = message.offset()  # type: ignore[index, assignment]
                elif not error.retriable() and error.code() not in AWAY:
                    raise KafkaException(error)
            messages = good
        topics = {topic for topic, _ in self._reading}
        by_topic: Any = groupby(messages, Message.topic) if len(topics) > 1 else zip(topics, [messages], strict=True)
        for topic, of_topic in by_topic:
            for number, run in groupby(of_topic, Message.partition):
                found[topic, number] += run  # type: ignore[index]
        return [
            Fetched(place, self._reading[place], found.get(place, []), ends.get(place)) for place in {**found, **ends}
        ]


def _size(message: Message) -> int:
    """Bytes."""
    return len(message.value() or b"") + len(message.key() or b"")


def _at(place: Place, offset: int) -> TopicPartition:
    return TopicPartition(*place, OFFSET_BEGINNING if offset < 0 else offset)
