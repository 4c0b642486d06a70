"""How librdkafka's clients are set, and what is asked of the cluster beside reading and writing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import Any

from aiokafka.errors import KafkaError as ProtocolError
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from streams.engine import hanging
from streams.engine.recovery import Place

log = logging.getLogger("soulfra.engine")

WITHIN = 10.0  # seconds for one question
GRACE = 5.0  # seconds more after which the client itself has forgotten it
Configuration = dict[str, Any]


def shared(addresses: str, name: str, client: Mapping[str, Any]) -> Configuration:
    """What all clients have in common; `client` has the last word."""
    return {
        "bootstrap.servers": addresses,
        "client.id": name,
        "socket.nagle.disable": True,  # each partition's records are a request of their own, and small
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.propagation.max.ms": 5_000,
        "log_level": 2,  # what goes wrong is told by the engine, once
        "logger": log,  # librdkafka logs what ends a client
        **client,
    }


def member(base: Configuration, group: str) -> Configuration:
    """Membership only: KIP-848, partitions given by the broker's range assignor, nothing is ever fetched."""
    return base | {
        "group.id": group,
        "group.protocol": "consumer",
        "group.remote.assignor": "range",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "queued.min.messages": 1,
    }


def reader(base: Configuration, group: str, reset: str, committed: bool, queue_kb: int) -> Configuration:
    """Reads what it is told to, from where it is told to. The queue back-off of a second would stall it."""
    return base | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": reset,
        "isolation.level": "read_committed" if committed else "read_uncommitted",
        "check.crcs": False,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 5,
        "queued.min.messages": 50_000,
        "queued.max.messages.kbytes": queue_kb,
    }


def recoverer(base: Configuration, group: str, queue_kb: int) -> Configuration:
    """Reads committed records to the end of a partition; a response without records marks it, so none is held back."""
    return reader(base, group, "earliest", True, queue_kb) | {"fetch.wait.max.ms": 10}


def writer(base: Configuration, transactional_id: str, timeout: float) -> Configuration:
    """Idempotent; with an id, transactional. Without the short retry back-off each transaction costs 0.1 s more."""
    made = base | {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "linger.ms": 100,  # a flush does not wait for it
        "batch.num.messages": 20_000,
        "batch.size": 1_000_000,
        "message.max.bytes": 1_048_588,  # the broker's own default; what is sent is measured before
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 524_288,
        "retry.backoff.ms": 5,
    }
    if transactional_id:
        made |= {"transactional.id": transactional_id, "transaction.timeout.ms": int(timeout * 1000)}
    return made


class Cluster:
    """Questions to the cluster; each waits at most WITHIN seconds and raises KafkaException."""

    def __init__(self, base: Configuration, group: str) -> None:
        self._base, self._name = base, group

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({**self._base, "socket.timeout.ms": int(WITHIN * 1000)})

    @cached_property
    def _group(self) -> Consumer:
        more = {"group.id": self._name, "enable.auto.commit": False, "isolation.level": "read_committed"}
        return Consumer({**self._base, **more})

    def renew(self) -> None:
        """With new clients: one may go on not knowing a topic that was made a moment before it asked."""
        self.close()
        self.__dict__.pop("_admin", None)
        self.__dict__.pop("_group", None)

    def ends(self, places: Sequence[Place], stable: bool = False) -> Mapping[Place, int]:
        """High watermarks, or last stable offsets: behind these nothing can be read as committed yet.

        librdkafka 2.16 gives a negative offset and no error for partitions whose leader does not answer in time, while other
        leaders do (findings/list-offsets-unanswered.sh). Read as an end it would make a full changelog an empty one.
        """
        end = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        isolation = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
        asked = {TopicPartition(topic, number): end for topic, number in places}
        offsets = self._answers(
            lambda admin: admin.list_offsets(asked, isolation_level=isolation, request_timeout=WITHIN)
        )
        if unknown := [f"{one.topic}/{one.partition}" for one, answer in offsets.items() if answer.offset < 0]:
            self.__dict__.pop("_admin", None)
            raise KafkaException(
                KafkaError(KafkaError._TIMED_OUT, f"the leader of {', '.join(sorted(unknown))} does not answer")
            )
        return {(one.topic, one.partition): answer.offset for one, answer in offsets.items()}

    def committed(self, places: Sequence[Place]) -> Mapping[Place, int | None]:
        told = self._group.committed([TopicPartition(*place) for place in places], WITHIN) if places else []
        for one in told:
            if one.error:
                raise KafkaException(one.error)
        return {(one.topic, one.partition): one.offset if one.offset >= 0 else None for one in told}

    def ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        if not topics:
            return {}
        names = TopicCollection(list(topics))
        described = self._answers(lambda admin: admin.describe_topics(names, request_timeout=WITHIN))
        return {name: str(topic.topic_id) for name, topic in described.items()}

    def open(self, places: Sequence[Place]) -> Sequence[str]:
        try:
            return asyncio.run(hanging.holding_back(self._base, places))
        except (ProtocolError, OSError, TimeoutError) as away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, str(away))) from away

    def partitions(self) -> dict[str, int]:
        """Number of partitions of every topic."""
        return {name: len(topic.partitions) for name, topic in self._admin.list_topics(timeout=WITHIN).topics.items()}

    def create(self, topic: str, partitions: int, replication: int, config: Mapping[str, str]) -> None:
        """Does nothing when it is there."""
        made = NewTopic(topic, partitions, replication, config=dict(config))
        try:
            self._answers(lambda admin: admin.create_topics([made], request_timeout=WITHIN))
        except KafkaException as refused:
            if refused.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise

    def _answers(self, question: Callable[[AdminClient], Mapping[Any, Future[Any]]]) -> dict[Any, Any]:
        """The results of an Admin request, by resource. A client whose request failed is replaced before the next.

        One that missed a change of its connections waits for the next (librdkafka 2.16, on a busy machine), whatever time limit
        the request has.
        """
        admin = self._admin  # kept in a name: its futures die with it, and another thread may replace it
        try:
            return {of: answer.result(WITHIN + GRACE) for of, answer in question(admin).items()}
        except TimeoutError:
            self.__dict__.pop("_admin", None)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the client does not answer")) from None
        except KafkaException:
            self.__dict__.pop("_admin", None)
            raise

    def close(self) -> None:
        if "_group" in self.__dict__:
            self._group.close()
