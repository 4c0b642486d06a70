"""The edge's hold on the log: publishing returns when the broker has stored the record, or says that it has not."""

from __future__ import annotations

import asyncio
import logging
import time
from threading import Event as Flag
from threading import Thread
from typing import Annotated

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from fastapi import Depends, Request

from api.problem import later
from api.stopping import Stopping
from config import Settings, metrics
from schemas import Event
from schemas.extensions import NONE, Extensions
from schemas.wire import encode
from topics import topic_of
from topics.broker import producer, refusals
from topics.place import Position, partition_of
from topics.plan import WITHIN, Away, Differs, check

log_ = logging.getLogger("soulfra.edge")

CHECKED_EVERY = 1.0  # seconds
FRESH = 2.0  # seconds that a look at the broker is worth
AWAY = "the log did not take it in time; nothing was accepted, send it again under the same id or Idempotency-Key"


class Log:
    """One idempotent producer; deliveries are reported from a thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self._partitions = settings, settings.kafka.partitions
        self._producer = Producer(producer(settings.kafka, "edge"))
        self._stop = Flag()
        self._seen = (0.0, "")
        self.closed = ""  # why nothing is published, until the topics were checked
        self._thread = Thread(target=self._report, name="deliveries", daemon=True)
        self._thread.start()

    async def check(self, within: float = WITHIN) -> None:
        """Nothing is published before the topics are known to be as the catalogue says. Raises Differs where they are not."""
        try:
            await asyncio.to_thread(check, self.settings, within)
            self.closed = ""
        except Away as away:
            self.closed = str(away)
            log_.warning("%s; waiting, and answering queries meanwhile", away)

    async def until_open(self, stopping: Stopping) -> None:
        """Runs beside the requests of an edge that was started while Kafka was away."""
        while self.closed and not await stopping.rest(CHECKED_EVERY):
            try:
                await self.check()
            except Differs as wrong:
                self.closed = str(wrong)
                log_.error("%s", wrong)

    async def publish(self, event: Event, trace: str = "", extensions: Extensions = NONE) -> Position:
        """Where the event is stored. Raises Problem 503 when the broker does not take it in time."""
        if self.closed:
            raise later(AWAY)
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[Position] = loop.create_future()

        def delivered(error: KafkaError | None, message: Message) -> None:
            loop.call_soon_threadsafe(_settle, stored, error, message)

        record, partition = encode(event, trace, extensions), partition_of(event.key, self._partitions)
        try:
            self._producer.produce(
                topic_of(event).name,
                record.value,
                record.key,
                partition,
                headers=[(name, value) for name, value in record.headers],
                on_delivery=delivered,
            )
        except (BufferError, KafkaException):
            raise later(AWAY) from None
        return await stored

    async def away(self) -> str:
        """Why nothing can be published, or nothing."""
        if self.closed:
            return self.closed
        at, said = self._seen
        if time.monotonic() - at > FRESH:
            said = await asyncio.to_thread(self._look)
            self._seen = time.monotonic(), said
        return said

    def _look(self) -> str:
        try:
            self._producer.list_topics(timeout=1)
        except KafkaException as away:
            return refusals.sentence() or f"the broker does not answer ({away.args[0].name()})"
        return ""

    def _report(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(0.1)
            metrics.QUEUE.set(len(self._producer))

    def close(self) -> None:
        """Waits until all that was handed over is stored."""
        self._producer.flush(10)
        self._stop.set()
        self._thread.join(2)


def _settle(stored: asyncio.Future[Position], error: KafkaError | None, message: Message) -> None:
    if stored.done():
        return
    if error is not None:
        stored.set_exception(later(AWAY))
    else:
        stored.set_result(Position(message.topic() or "", message.partition() or 0, message.offset() or 0))


def log(request: Request) -> Log:
    found: Log = request.app.state.log
    return found


TheLog = Annotated[Log, Depends(log)]
