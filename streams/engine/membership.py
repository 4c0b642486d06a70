"""Membership in the consumer group, in a thread of its own: which partitions are ours, and under which generation.

The member fetches nothing (its partitions are paused for good), so a take-over of some partitions holds up nobody who
reads others. The generation that a commit is sent with is published here: in the call-backs and after each poll, hence
never before the loss of a partition was told. A broker refuses a commit for a partition under a generation older than
the one it was given away under (Kafka 4.3, KIP-1251), and accepts it under a newer one: telling the loss first is what
keeps a worker that was given up from committing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.engine.recovery import AWAY, Place

IDLE = 5.0  # seconds without a partition after which there is nothing to wait for
POLL = 0.05  # seconds
QUICK = 0.005  # seconds between two looks while partitions are given back
WITHIN = 10.0  # seconds for one commit


class Membership(Thread):
    """Subscribes, and tells. The broker gives partitions to others when the future that `taken` returned is done.

    Every call to the client is made in this thread: a synchronous commit beside a poll would wait for ever
    (confluent-kafka 2.16).
    """

    def __init__(
        self,
        configuration: dict[str, Any],
        given: Callable[[list[Place]], None],
        taken: Callable[[list[Place], bool], Future[None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name="engine member", daemon=True)
        self._consumer = Consumer(configuration)
        self._given, self._taken, self._failed = given, taken, failed
        self._topics: list[str] | None = None
        self._running = True
        self._commits: SimpleQueue[tuple[list[TopicPartition], Future[None]]] = SimpleQueue()
        self.generation: Any = None

    def subscribe(self, topics: Iterable[str]) -> None:
        self._topics = sorted(topics)

    def commit(self, offsets: list[TopicPartition]) -> None:
        """At least once: the group's offsets without a transaction. Waits; raises KafkaException."""
        done: Future[None] = Future()
        self._commits.put((offsets, done))
        done.result(WITHIN)

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        try:
            idle: float | None = None
            while self._running:
                if self._topics is not None:
                    topics, self._topics = self._topics, None
                    idle = time.monotonic() + IDLE
                    self._consumer.subscribe(
                        topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
                    )
                self._commit_now()
                message = self._consumer.poll(POLL)
                error = message.error() if message is not None else None
                if error is not None and not error.retriable() and error.code() not in AWAY:
                    raise KafkaException(error)
                self.generation = self._consumer.consumer_group_metadata()
                if idle is not None and time.monotonic() > idle and not self._consumer.assignment():
                    idle = None
                    self._given([])  # more workers than partitions: the client tells nothing
        except BaseException as failed:
            self._failed(failed)
        finally:
            self._consumer.close()

    def _commit_now(self) -> None:
        while True:
            try:
                offsets, done = self._commits.get_nowait()
            except Empty:
                return
            try:
                for one in self._consumer.commit(offsets=offsets, asynchronous=False) or ():
                    if one.error:
                        raise KafkaException(one.error)
                done.set_result(None)
            except KafkaException as refused:
                done.set_exception(refused)

    def _give_back(self, partitions: list[TopicPartition], lost: bool) -> None:
        done = self._taken([(one.topic, one.partition) for one in partitions], lost)
        while not done.done():
            self._commit_now()
            wait([done], QUICK)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        self.generation = consumer.consumer_group_metadata()
        if partitions:
            self._given([(one.topic, one.partition) for one in partitions])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_back(partitions, lost=False)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_back(partitions, lost=True)
        consumer.incremental_unassign(partitions)
