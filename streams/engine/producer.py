"""Sending. What an agent sends waits beside its event and goes out with the commit that contains the event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Mapping
from contextvars import Context
from typing import Any

from confluent_kafka import KafkaException, Message
from confluent_kafka import Producer as Client
from faust.types import TP
from faust.types.transports import ProducerT
from faust.types.tuples import RecordMetadata
from mode import Service
from mode.utils.times import want_seconds

from streams.engine import client
from streams.engine.dead import Refused, size_of
from streams.engine.shard import OUTSIDE, current

log = logging.getLogger("engine")


class Sent:
    """What `send` returns. Awaiting it waits until the broker has the record; in exactly-once until it is committed.

    `cut` is the number of the commit that will contain it.
    """

    __slots__ = ("_future", "_metadata", "_producer", "_why", "cut", "follower", "wanted")

    def __init__(self, producer: Producer, cut: int) -> None:
        self._producer, self.cut = producer, cut
        self.wanted = False  # whether somebody asks what became of it
        self._future: asyncio.Future[RecordMetadata] | None = None
        self._metadata: RecordMetadata | None = None
        self._why: BaseException | None = None
        self.follower: asyncio.Future[None] | None = None

    def delivered(self, message: Message) -> None:
        """The broker has it; runs in the thread that sends."""
        topic, partition = message.topic() or "", message.partition() or 0
        at, kind = message.timestamp()[1] / 1000, message.timestamp()[0]
        self._metadata = RecordMetadata(topic, partition, TP(topic, partition), message.offset() or 0, at, kind)

    def committed(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(self._metadata or NOT_ASKED)

    def failed(self, why: BaseException) -> None:
        self._why = why
        if self._future is not None and not self._future.done():
            self._future.set_exception(why)

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        if self._why is not None:
            raise self._why
        if self._future is None and self.cut <= self._producer.app.consumer.commits.last:
            return self._metadata or NOT_ASKED
        if self._future is None:
            self._producer.awaited()
            self.wanted = True
            self._future = asyncio.get_running_loop().create_future()
        return (yield from self._future)


NOT_ASKED = RecordMetadata("", -1, TP("", -1), -1)  # nobody waited when the record went out


class Producer(Service, ProducerT):
    """What Faust calls the producer."""

    app: Any
    transport: Any
    logger = log
    threaded_producer = None

    def __init__(self, transport: Any, loop: Any = None, **kwargs: Any) -> None:
        super().__init__(loop=loop, **kwargs)
        self.transport, self.app = transport, transport.app
        self.client_id = self.app.conf.broker_client_id
        self._largest = self.app.engine.record_bytes
        self._direct: Client | None = None

    def submit(self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None,
               timestamp: float | None = None, headers: Any = None) -> Sent:  # fmt: skip
        """Takes a record; it goes out with the next commit that contains the event in hand, if there is one."""
        consumer = self.app.consumer
        sent = Sent(self, consumer.commits.next)
        if headers is not None:
            headers = list(headers.items()) if isinstance(headers, Mapping) else headers or None
        if (size := size_of(key, value, headers)) > self._largest:
            raise Refused(f"a record for {topic} has {size} bytes, more than the {self._largest} that the broker takes")
        where, at = -1 if partition is None else partition, int(timestamp * 1000) if timestamp else 0
        cursor = current.get(None)
        if cursor is not None and not cursor.resting:
            cursor.outputs.append((cursor.number, topic, key, value, where, at, headers, sent))
        elif consumer.feeds:
            if len(consumer.commits.outside) >= self.app.engine.uncommitted:
                raise Refused(
                    f"{len(consumer.commits.outside)} records of timers and other code beside the streams wait for the broker; "
                    "await what is sent, or send less"
                )
            sent.wanted = True
            consumer.commits.outside.append((OUTSIDE, topic, key, value, where, at, headers, sent))
            consumer.delivery.moved()
        else:
            self._send_now(topic, key, value, where, at, headers, sent)
        return sent

    def awaited(self) -> None:
        """Somebody waits for a record to be out."""
        cursor = current.get(None)
        if cursor is not None and not cursor.resting:
            if self.app.exactly:
                raise RuntimeError(
                    "what an event sends goes out after the event; awaiting it inside would wait for ever"
                )
            self.app.consumer.delivery.moved()

    def _send_now(self, topic: str, key: Any, value: Any, where: int, at: int, headers: Any, sent: Sent) -> None:
        """Without a worker in this process: a client that only sends."""
        if self._direct is None:
            self._direct = Client(client.writer(self.transport.configuration, "", 0))
        loop = self.loop

        def told(error: Any, message: Message) -> None:
            if error is None:
                sent.delivered(message)
            loop.call_soon_threadsafe(sent.committed if error is None else lambda: sent.failed(KafkaException(error)))

        more: dict[str, Any] = {"headers": headers} if headers else {}
        self._direct.produce(topic, value, key, where, timestamp=at, on_delivery=told, **more)
        loop.run_in_executor(None, self._direct.flush, client.WITHIN)

    async def send(self, topic: str, key: Any, value: Any, partition: Any, timestamp: Any, headers: Any,
                   *, transactional_id: Any = None) -> Any:  # fmt: skip
        return self.submit(topic, key, value, partition, timestamp, headers)

    async def send_and_wait(self, topic: str, key: Any, value: Any, partition: Any, timestamp: Any, headers: Any,
                            *, transactional_id: Any = None) -> RecordMetadata:  # fmt: skip
        return await self.submit(topic, key, value, partition, timestamp, headers)

    def send_soon(self, fut: Any) -> None:
        """From code that cannot await."""
        message = fut.message
        topic = message.channel.get_topic_name()
        sent = self.submit(topic, message.key, message.value, message.partition, message.timestamp, message.headers)
        follow(sent, fut, always=True)

    async def flush(self) -> None:
        if self._direct is not None:
            await asyncio.to_thread(self._direct.flush, client.WITHIN)

    async def on_stop(self) -> None:
        await self.flush()

    async def create_topic(self, topic: str, partitions: int, replication: int, *, config: Any = None,
                           timeout: Any = 30.0, retention: Any = None,  # noqa: ASYNC109
                           compacting: Any = None, deleting: Any = None,
                           ensure_created: bool = False) -> None:  # fmt: skip
        """Creates an internal topic if it is not there."""
        wanted = {name: str(value) for name, value in (config or {}).items()}
        policies = [name for name, asked in (("compact", compacting), ("delete", deleting)) if asked]
        if policies:
            wanted.setdefault("cleanup.policy", ",".join(policies))
        if retention:
            wanted.setdefault("retention.ms", str(int(want_seconds(retention) * 1000)))
        consumer = self.app.consumer
        await consumer.ask(consumer.cluster.create, topic, partitions, replication, wanted)

    def partition_of(self, topic: str, key: bytes | None) -> int | None:
        """Where librdkafka would put a key; None without one."""
        from aiokafka.partitioner import murmur2

        n = self.app.consumer.ownership.partitions.get(topic)
        return None if key is None or not n else int((murmur2(key) & 0x7FFFFFFF) % n)

    def key_partition(self, topic: str, key: bytes) -> TP:
        return TP(topic, self.partition_of(topic, key) or 0)

    async def begin_transaction(self, transactional_id: str) -> None: ...
    async def commit_transaction(self, transactional_id: str) -> None: ...
    async def abort_transaction(self, transactional_id: str) -> None: ...
    async def stop_transaction(self, transactional_id: str) -> None: ...
    async def maybe_begin_transaction(self, transactional_id: str) -> None: ...
    async def commit_transactions(self, *args: Any, **kwargs: Any) -> None: ...

    def supports_headers(self) -> bool:
        return True


def follow(sent: Sent, fut: Any, always: bool = False) -> None:
    """Resolves Faust's own future of a message when the record is out."""

    async def wait() -> None:
        try:
            fut.set_result(await sent)
        except Exception as why:
            fut.set_exception(why)
        else:
            if fut.message.callback:
                fut.message.callback(fut)

    if always or fut.message.callback is not None:  # in no event's context: it waits for the event's end
        sent.follower = asyncio.get_running_loop().create_task(wait(), context=Context())
