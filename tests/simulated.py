"""A broker and a consumer group in memory, as exact about transactions as the engine needs it to be: open
transactions, the last stable offset, fencing of producers, epochs of members, offsets that are pending.

What the clients see has the names and the types of confluent-kafka, so that the engine's own code runs on it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

Place = tuple[str, int]
# ENDING: committed, and its markers are not written
OPEN, ENDING, COMMITTED, ABORTED = "open", "ending", "committed", "aborted"


@dataclass
class Transaction:
    state: str = OPEN
    places: set[Place] = field(default_factory=set)
    offsets: dict[Place, int] = field(default_factory=dict)
    offered: int = 0  # when, in the coordinator's log


@dataclass
class Entry:
    key: Any
    value: Any
    within: Transaction | None  # None: not transactional; a marker has no value and no key
    marker: bool = False


@dataclass
class Member:
    """One in the group. `known` is the generation that it would send: what it was told last."""

    epoch: int = 0
    known: Any = None


def refused(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


class Broker:
    """Logs, coordinators and one group."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.logs: dict[Place, list[Entry]] = defaultdict(list)
        self.open: dict[str, Transaction | None] = {}
        self.epochs: dict[str, int] = defaultdict(int)
        self.offsets: dict[Place, int] = {}
        self.epoch = 0
        self.members: dict[int, Member] = {}
        self.owner: dict[int, int] = {}  # member by partition number
        self.given: dict[int, int] = {}  # epoch under which a partition number was given
        self.offers = 0
        self.offered: dict[Place, int] = {}  # which offer an offset is of

    # -- logs

    def append(self, place: Place, entry: Entry) -> None:
        self.logs[place].append(entry)
        if entry.within is not None:
            entry.within.places.add(place)

    def end(self, place: Place) -> int:
        return len(self.logs[place])

    def stable(self, place: Place) -> int:
        """The last stable offset: nothing lies before it whose markers are not written."""
        log = self.logs[place]
        unstable = OPEN, ENDING
        return next((at for at, entry in enumerate(log) if entry.within and entry.within.state in unstable), len(log))

    def visible(self, place: Place, start: int, limit: int) -> list[tuple[int, Entry]]:
        """Committed records from an offset up to a limit."""
        log = self.logs[place]
        return [(at, log[at]) for at in range(start, min(limit, len(log)))
                if not log[at].marker and (log[at].within is None or log[at].within.state == COMMITTED)]  # type: ignore[union-attr]  # fmt: skip

    def mark(self, name: str) -> None:
        """The markers of a transaction that was committed are written."""
        within = self.open.get(name)
        if within is not None and within.state == ENDING:
            self.close(name, COMMITTED)

    def close(self, name: str, state: str) -> None:
        """One that is ending cannot be aborted any more."""
        within = self.open.get(name)
        if within is None:
            return
        within.state = COMMITTED if within.state == ENDING else state
        for place in within.places:
            self.logs[place].append(Entry(None, None, None, marker=True))
        if within.state == COMMITTED:
            for place, offset in within.offsets.items():
                if self.offered.get(place, 0) < within.offered:  # as a coordinator does: the later offer stays
                    self.offsets[place], self.offered[place] = offset, within.offered
        self.open[name] = None

    # -- the group

    def join(self, member: int) -> None:
        self.members[member] = Member()

    def leave(self, member: int) -> None:
        """Also what happens to one that is silent for a session: its transactions were ended before that."""
        self.members.pop(member, None)
        for number in [number for number, owner in self.owner.items() if owner == member]:
            del self.owner[number]

    def give(self, number: int, member: int) -> None:
        """A partition number moves; everybody's epoch does, but only the new owner is told at once."""
        self.epoch += 1
        self.owner[number], self.given[number] = member, self.epoch
        for one in self.members.values():
            one.epoch = self.epoch

    def check(self, generation: Any, places: list[Place]) -> None:
        """Raises as a coordinator does since Kafka 4.3: a generation older than the partition's is refused."""
        member, epoch = generation
        if member not in self.members:
            raise refused(KafkaError.UNKNOWN_MEMBER_ID)
        if any(epoch < self.given.get(number, 0) for _, number in places):
            raise refused(KafkaError.ILLEGAL_GENERATION)


class Producer:
    """A transactional producer. What it was given is on its way until it is flushed, or the wire takes it earlier."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.broker, self.name = broker, name
        self.epoch = -1
        self.waiting: list[tuple[Place, Any, Any]] = []
        self.within: Transaction | None = None
        self.end_is_unknown: str | None = None  # the next end times out; COMMITTED if it happened all the same

    def _alive(self) -> None:
        if self.epoch != self.broker.epochs[self.name]:
            raise refused(KafkaError._FENCED)

    def init_transactions(self, _: float) -> None:
        self.broker.epochs[self.name] += 1
        self.epoch = self.broker.epochs[self.name]
        self.broker.close(self.name, ABORTED)

    def begin_transaction(self) -> None:
        """The client waits until its transaction before is over."""
        self._alive()
        self.broker.mark(self.name)
        self.within = self.broker.open[self.name] = Transaction()

    def produce(self, topic: str, value: Any, key: Any, partition: int, **_: Any) -> None:
        self.waiting.append(((topic, partition), key, value))

    def deliver(self, n: int) -> None:
        """So many of the waiting records reach the broker; it refuses those of a producer or transaction that is over."""
        for place, key, value in self.waiting[:n]:
            self._alive()
            if self.within is None or self.within.state != OPEN:
                raise refused(KafkaError.INVALID_TXN_STATE)
            self.broker.append(place, Entry(key, value, self.within))
        del self.waiting[:n]

    def flush(self, _: float) -> int:
        self.deliver(len(self.waiting))
        return 0

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], generation: Any, _: float) -> None:
        self._alive()
        self._open()
        places = [(one.topic, one.partition) for one in offsets]
        self.broker.check(generation, places)
        self.broker.offers += 1
        self.within.offered = self.broker.offers  # type: ignore[union-attr]
        self.within.offsets |= dict(zip(places, (one.offset for one in offsets), strict=True))  # type: ignore[union-attr]

    def commit_transaction(self, _: float) -> None:
        self.deliver(len(self.waiting))
        self._alive()
        self._open()
        if self.end_is_unknown is not None:
            self.broker.close(self.name, self.end_is_unknown) if self.end_is_unknown != OPEN else None
            raise refused(KafkaError._TIMED_OUT)
        self.within.state = ENDING  # type: ignore[union-attr]

    def _open(self) -> None:
        if self.within is None or self.within.state != OPEN:
            raise refused(KafkaError.INVALID_TXN_STATE)

    def poll(self, _: float) -> None: ...


class Reader:
    """A consumer that reads committed records, some at a time, and tells the end of a partition."""

    def __init__(self, broker: Broker, chance: Any, committed: bool = True) -> None:
        self.broker, self.chance, self.committed = broker, chance, committed
        self.at: dict[Place, int] = {}

    def assign(self, places: list[TopicPartition]) -> None:
        self.at = {(one.topic, one.partition): one.offset for one in places}

    def consume(self, _: int, __: float) -> list[Message]:
        return []

    def poll(self, _: float) -> Message | None:
        """One record, or the end of a partition."""
        for place, at in sorted(self.at.items(), key=lambda _: self.chance.random()):
            limit = self.broker.stable(place) if self.committed else self.broker.end(place)
            for offset, entry in self.broker.visible(place, at, limit) if self.committed else self._all(place, at):
                self.at[place] = offset + 1
                return Message(topic=place[0], partition=place[1], offset=offset, key=entry.key, value=entry.value)
            if limit > at or at == limit:
                self.at[place] = limit
                return Message(
                    topic=place[0], partition=place[1], offset=limit, error=KafkaError(KafkaError._PARTITION_EOF)
                )
        return None

    def _all(self, place: Place, at: int) -> list[tuple[int, Entry]]:
        return [(n, entry) for n, entry in enumerate(self.broker.logs[place]) if n >= at and not entry.marker]

    def close(self) -> None: ...


class Asked:
    """Questions to the cluster."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def ends(self, places: list[Place]) -> dict[Place, int]:
        return {place: self.broker.end(place) for place in places}

    def committed(self, places: list[Place]) -> dict[Place, int | None]:
        """Refuses while an open transaction would change them, as a stable answer does."""
        pending = {place for within in self.broker.open.values() if within for place in within.offsets}
        if pending & set(places):
            raise refused(KafkaError.UNSTABLE_OFFSET_COMMIT)
        return {place: self.broker.offsets.get(place) for place in places}

    def ids(self, topics: list[str]) -> dict[str, str]:
        return dict.fromkeys(topics, "id")
