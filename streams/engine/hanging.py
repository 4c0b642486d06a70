"""Transactions that Kafka leaves hanging: over for their coordinator, and open in some partition for ever.

A broker that is killed between the end of a transaction and its markers may forget the rest of the markers (Kafka 4.3.1;
docs/engine.md). The last stable offset of such a partition stands still: whoever reads committed records sees nothing
behind it, and no time limit, no `init_transactions` and no new epoch ends it.

Told apart from one that is really open by asking both sides (KIP-664), and ended as the coordinator had decided: its log
says whether it was committed, so nothing is torn. Where the log does not say, it is aborted, as Kafka's own tool does.
"""

from __future__ import annotations

import asyncio
import io
import struct
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from aiokafka.errors import KafkaError as ProtocolError
from aiokafka.errors import LeaderNotAvailableError, NodeNotReadyError, NotCoordinatorError, for_code
from aiokafka.protocol.types import Array, CompactArray, CompactString, Int32, Schema, String, TaggedFields
from aiokafka.structs import TopicPartition as Partition
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.engine.protocol import (
    DESCRIBE_PRODUCERS,
    DESCRIBE_TRANSACTIONS,
    LIST_TRANSACTIONS,
    NO_TAGS,
    WITHIN,
    WRITE_MARKERS,
    Request,
    client,
    topics_of,
)

Place = tuple[str, int]
Answer = TypeVar("Answer")

OFFSETS = "__consumer_offsets"
COORDINATOR_LOG = "__transaction_state"
ENDING = {"PrepareCommit", "PrepareAbort", "PrepareEpochFence"}  # its markers are being written
ONGOING = "Ongoing"
LONGEST = 900.0  # seconds that a transaction may be open: Kafka's own `transaction.max.timeout.ms`
NO_SUCH_ID = 105  # TRANSACTIONAL_ID_NOT_FOUND
PREPARE_COMMIT, PREPARE_ABORT = 2, 3  # states in the coordinator's log
RETRY = 0.2  # seconds between two looks
PATIENCE = 20.0  # seconds for markers that are being written, for a coordinator that loads, for a broker to be back


class OpenTransaction(NamedTuple):
    """A transaction that is open in one partition, from the offset `start` on."""

    topic: str
    partition: int
    start: int
    producer: int
    epoch: int
    coordinator_epoch: int
    newest: int  # time of the producer's newest record there, milliseconds since 1970

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    def same_as(self, other: OpenTransaction) -> bool:
        """Whether it is that one, perhaps with more records."""
        return (self.place, self.start, self.producer) == (other.place, other.start, other.producer)

    def __str__(self) -> str:
        return (
            f"{self.topic}/{self.partition} stands still at offset {self.start}: "
            f"a transaction of producer {self.producer} (epoch {self.epoch}) is open there"
        )


class State(NamedTuple):
    """What a coordinator knows of a producer's transactional id."""

    transactional_id: str
    state: str
    epoch: int
    places: frozenset[Place]


class Hanging(NamedTuple):
    """A hanging transaction; `committed` is what its coordinator had decided, None where nobody knows."""

    open: OpenTransaction
    transactional_id: str
    state: str
    committed: bool | None

    def __str__(self) -> str:
        at, verdict = self.open, {True: "committed", False: "aborted", None: "unknown"}[self.committed]
        return (
            f"{at.topic}/{at.partition} stands still at offset {at.start}: a transaction of producer {at.producer} "
            f"(epoch {at.epoch}, transactional id {self.transactional_id or 'unknown'}) is open there, "
            f"and over for its coordinator ({self.state or 'unknown'}; decided: {verdict})"
        )


class Transactions:
    """Asks partitions and coordinators about transactions, and ends hanging ones.

    `base` are librdkafka's settings. Every method raises aiokafka's KafkaError when the cluster does not answer, or refuses.
    """

    def __init__(self, base: Mapping[str, Any]) -> None:
        self._base = dict(base)
        self._client: Any = None

    async def __aenter__(self) -> Self:
        self._client = client(self._base)
        try:
            await self._client.bootstrap()
            await self._client.force_metadata_update()
            await self._patiently(self._brokers)
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        await self._client.close()

    def partitions(self, topics: Collection[str]) -> list[Place]:
        """Those of these topics that exist."""
        cluster = self._client.cluster
        return [(topic, number) for topic in topics for number in sorted(cluster.partitions_for_topic(topic) or ())]

    async def open(self, places: Sequence[Place]) -> list[OpenTransaction]:
        """Every transaction that is open in these partitions."""
        return await self._patiently(self._open, places)

    async def _open(self, places: Sequence[Place]) -> list[OpenTransaction]:
        by_leader: dict[int, list[Place]] = {}
        for place in places:
            by_leader.setdefault(self._leader(place), []).append(place)
        found: list[OpenTransaction] = []
        for leader, mine in by_leader.items():
            answer = await self._ask(leader, DESCRIBE_PRODUCERS(topics_of(mine), NO_TAGS))
            found += _opened(answer)
        return found

    async def states(self, producers: Collection[int]) -> dict[int, State]:
        """What the coordinators know of these producers. Who is missing is unknown to all of them: each got the request, and
        they were the same before and after."""
        return await self._patiently(self._states, sorted(producers))

    async def _states(self, producers: list[int]) -> dict[int, State]:
        known: dict[int, State] = {}
        coordinators = self._coordinators()
        for broker in sorted(set(coordinators)):
            listed = await self._ask(broker, LIST_TRANSACTIONS([], producers, NO_TAGS))
            _check(listed.error)
            if ids := [one[0] for one in listed.transactions]:
                described = await self._ask(broker, DESCRIBE_TRANSACTIONS(ids, NO_TAGS))
                known |= {one[5]: _state(one) for one in described.transactions if one[0] != NO_SUCH_ID}
        await self._client.force_metadata_update()
        if self._coordinators() != coordinators:
            raise NotCoordinatorError("the coordinators of transactions changed during the requests")
        return known

    async def hanging(self, places: Sequence[Place], own: str = "") -> list[Hanging]:
        """Those that are over for their coordinators and open here. Waits for markers that are being written.

        In the group's offsets only transactions are looked at whose transactional id begins with `own`.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            opened = await self.open(places)
            states = await self.states({one.producer for one in opened}) if opened else {}
            if not any(_is_ending(one, states) for one in opened) or time.monotonic() > deadline:
                break
            await asyncio.sleep(RETRY)
        suspects = [one for one in opened if _is_over(one, states.get(one.producer))]
        still = set(await self.open(sorted({one.place for one in suspects}))) if suspects else set()
        return [
            await self._judged(one, states.get(one.producer))
            for one in suspects
            if one in still and (one.topic != OFFSETS or _is_own(states.get(one.producer), own))
        ]

    async def end(self, hanging: Hanging) -> None:
        """Writes the marker that is missing: as the coordinator had decided, else an abort. Does nothing once it is there."""
        await self._patiently(self._end, hanging.open, bool(hanging.committed))

    async def _end(self, at: OpenTransaction, committed: bool) -> None:
        """Looks first: an attempt that was not answered may have ended it, and the marker of another would end the next one."""
        if not any(one.same_as(at) for one in await self._open([at.place])):
            return
        marker = (at.producer, at.epoch, committed, topics_of([at.place]), max(0, at.coordinator_epoch), NO_TAGS)
        answer = await self._ask(self._leader(at.place), WRITE_MARKERS([marker], NO_TAGS))
        for _, topics, _ in answer.markers:
            for _, partitions, _ in topics:
                for _, error, _ in partitions:
                    _check(error)

    async def mend(self, topics: Collection[str], own: str) -> list[Hanging]:
        """Ends those of `hanging` in these topics, where they exist; returns them."""
        hanging = await self.hanging(self.partitions(topics), own)
        for one in hanging:
            await self.end(one)
        return hanging

    async def _judged(self, at: OpenTransaction, state: State | None) -> Hanging:
        if state is None:
            return Hanging(at, "", "", None)
        decisions = await asyncio.to_thread(self._decisions, state.transactional_id)
        return Hanging(at, state.transactional_id, state.state, decision_of(at, decisions))

    def _decisions(self, transactional_id: str) -> list[Decision]:
        """What the coordinator's log still holds about an id; nothing where it may not be read."""
        number = _hash(transactional_id) % len(self._client.cluster.partitions_for_topic(COORDINATOR_LOG) or (0,))
        settings = {key: value for key, value in self._base.items() if key != "client.id"} | {
            "group.id": "engine-transactions", "enable.auto.commit": False, "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }  # fmt: skip
        reader = Consumer(settings)
        try:
            reader.assign([TopicPartition(COORDINATOR_LOG, number, 0)])
            return list(_read_decisions(reader, transactional_id))
        finally:
            reader.close()

    async def _patiently(self, ask: Callable[..., Awaitable[Answer]], *args: Any) -> Answer:
        """Asks again, with fresh metadata, while that is of use: a broker that lost its session for a moment is not named by the
        cluster and leads nothing, and one that came back loads first."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return await ask(*args)
            except ProtocolError as refused:
                if not refused.retriable or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY)
            await self._client.force_metadata_update()

    async def _ask(self, broker: int, struct: Any) -> Any:
        return await self._client.send(broker, Request(struct))

    async def _brokers(self) -> None:
        if not self._client.cluster.brokers():
            raise NodeNotReadyError("the cluster names no broker that is up; try again when one is back")

    def _leader(self, place: Place) -> int:
        leader = self._client.cluster.leader_for_partition(Partition(*place))
        if leader is None or leader < 0:
            raise LeaderNotAvailableError(f"{place[0]}/{place[1]} has no leader now; try again when its broker is back")
        return int(leader)

    def _coordinators(self) -> list[int]:
        """The broker of each partition of their log; every broker, where that log may not be described."""
        leaders = [self._leader(place) for place in self.partitions([COORDINATOR_LOG])]
        return leaders or sorted(broker.nodeId for broker in self._client.cluster.brokers())


async def holding_back(base: Mapping[str, Any], places: Sequence[Place]) -> list[str]:
    """A sentence about each transaction that is open in these partitions, hanging or not."""
    async with Transactions(base) as transactions:
        hanging = {one.open.place: str(one) for one in await transactions.hanging(places)}
        opened = [one for one in await transactions.open(places) if one.place not in hanging]
        return [*hanging.values(), *map(str, opened)]


class Decision(NamedTuple):
    """The coordinator's word about one transaction, as it stands in its log."""

    committed: bool
    producer: int
    epoch: int
    places: frozenset[Place]
    at: int  # milliseconds since 1970


def decision_of(at: OpenTransaction, decisions: Sequence[Decision]) -> bool | None:
    """The newest word about a transaction in that partition, no older than its records there.

    The end of a transaction may be written under the next epoch (a time-out, or version 2 of the protocol).
    """
    fitting = [
        one for one in decisions
        if one.producer == at.producer and one.epoch in (at.epoch, at.epoch + 1) and at.place in one.places
    ]  # fmt: skip
    newest = max(fitting, key=lambda one: one.at, default=None)
    return newest.committed if newest is not None and newest.at >= at.newest else None


def _opened(answer: Any) -> Iterator[OpenTransaction]:
    for topic, partitions, _ in answer.topics:
        for number, error, _, producers, _ in partitions:
            _check(error)
            for producer, epoch, _, newest, coordinator_epoch, start, _ in producers:
                if start >= 0:
                    yield OpenTransaction(topic, number, start, producer, epoch, coordinator_epoch, newest)


def _state(described: Any) -> State:
    error, transactional_id, state, _, _, _, epoch, topics, _ = described
    _check(error)
    places = frozenset((topic, number) for topic, numbers, _ in topics for number in numbers)
    return State(transactional_id, state, epoch, places)


def _is_ending(at: OpenTransaction, states: Mapping[int, State]) -> bool:
    state = states.get(at.producer)
    return state is not None and state.state in ENDING


def _is_over(at: OpenTransaction, state: State | None) -> bool:
    """Whether no coordinator has this transaction open. One that none knows may have an id that we may not describe."""
    if state is None:
        return time.time() - at.newest / 1000 > LONGEST
    if state.state == ONGOING:
        return at.place not in state.places
    return state.state not in ENDING


def _is_own(state: State | None, own: str) -> bool:
    return state is not None and bool(own) and state.transactional_id.startswith(own)


def _check(error: int) -> None:
    if error:
        raise for_code(error)()


def _hash(text: str) -> int:
    """Java's `String.hashCode` without its sign: it decides which partition of the log an id is in."""
    raw = text.encode("utf-16-be")
    value = 0
    for unit in struct.unpack(f">{len(raw) // 2}H", raw):
        value = (31 * value + unit) & 0xFFFFFFFF
    signed = value - (1 << 32) if value >> 31 else value
    return 0 if signed == -(1 << 31) else abs(signed)


VALUES = {  # of the coordinator's log, by version (TransactionLogValue)
    0: Schema(("partitions", Array(("topic", String()), ("numbers", Array(Int32))))),
    1: Schema(("partitions", CompactArray(("topic", CompactString()), ("numbers", CompactArray(Int32)), ("tags", TaggedFields)))),
}  # fmt: skip
HEAD = struct.Struct(">hqhib")  # version, producer id, epoch, time limit, state


def _read_decisions(reader: Any, transactional_id: str) -> Iterator[Decision]:
    key = struct.pack(">hh", 0, len(transactional_id.encode())) + transactional_id.encode()
    while True:
        message = reader.poll(WITHIN)
        if message is None:
            return
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF or not error.retriable():
                return
        elif message.key() == key and message.value():
            decision = _decision(message.value(), message.timestamp()[1])
            if decision is not None:
                yield decision


def _decision(value: bytes, at: int) -> Decision | None:
    version, producer, epoch, _, state = HEAD.unpack_from(value)
    if state not in (PREPARE_COMMIT, PREPARE_ABORT) or version not in VALUES:
        return None
    (partitions,) = VALUES[version].decode(io.BytesIO(value[HEAD.size :]))
    places = frozenset((topic, number) for topic, numbers, *_ in partitions or () for number in numbers)
    return Decision(state == PREPARE_COMMIT, producer, epoch, places, at)
