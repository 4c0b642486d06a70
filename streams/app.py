"""How a Faust app of ours is set, started and stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from config import Kafka, Settings
from schemas.wire import Record
from topics import Topic

log = logging.getLogger("soulfra.streams")


class Stopped(Exception):
    """The process must end; the message says why."""


def make(group: str, settings: Settings) -> faust.App:
    """A Faust app on aiokafka: at least once, static membership, tables in memory."""
    kafka = settings.kafka
    return faust.App(
        group,
        broker=[f"kafka://{address.strip()}" for address in kafka.bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        store="memory://",
        topic_partitions=kafka.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        consumer_group_instance_id=f"{group}-{settings.worker.instance}",
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        broker_commit_interval=0.5,
        broker_request_timeout=15.0,
        producer_request_timeout=15.0,
        producer_acks=-1,
        stream_wait_empty=True,
        stream_buffer_maxsize=256,
        logging_config={"version": 1, "incremental": True},
    )


def source(app: faust.App, topic: Topic) -> Any:
    """The topic as raw records: what cannot be decoded must reach us, to be dead-lettered."""
    return app.topic(
        topic.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
    )


async def send(app: faust.App, topic: str, partition: int, record: Record) -> None:
    """Returns when the broker has it. While the broker is away, waits: going on would lose what follows."""
    while True:
        try:
            await app.producer.send_and_wait(
                topic, record.key, record.value, partition=partition, timestamp=None, headers=record.headers
            )
            return
        except Exception as away:
            log.warning("the broker did not take a record of %s (%s); trying again", topic, type(away).__name__)
            await asyncio.sleep(0.5)


def assigned(app: faust.App) -> set[TP]:
    """The partitions this process owns; none while it starts."""
    try:
        return set(app.consumer.assignment()) if app.started and app.consumer is not None else set()
    except ConsumerNotStarted:
        return set()


async def serve(app: faust.App, beside: list[Callable[[], Awaitable[None]]]) -> None:
    """Runs the app and what runs beside it until SIGTERM or Ctrl-C. Raises Stopped when something broke."""
    asked = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, asked.set)
    await app.start()
    tasks = [asyncio.ensure_future(run()) for run in (*beside, asked.wait, lambda: _crashed(app))]  # type: ignore[no-untyped-call]
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    try:
        await asyncio.wait_for(app.stop(), 30)
    except TimeoutError:
        log.warning("the worker did not drain within 30 s; what is uncommitted will be worked on again")
    for task in ended:
        task.result()


async def _crashed(app: faust.App) -> None:
    while not app.crashed:  # noqa: ASYNC110  (Faust has no event to await here)
        await asyncio.sleep(0.2)
    raise Stopped(f"Faust crashed: {app.crash_reason!r}")


def _credentials(kafka: Kafka) -> Any:
    if kafka.security_protocol == "PLAINTEXT":
        return None
    context = ssl.create_default_context(cafile=str(kafka.ca_file) if kafka.ca_file else None)
    if kafka.security_protocol == "SSL":
        return SSLCredentials(context)
    return SASLCredentials(
        username=kafka.sasl_username,
        password=kafka.sasl_password.get_secret_value(),
        mechanism=kafka.sasl_mechanism,
        ssl_context=context if kafka.security_protocol == "SASL_SSL" else None,
    )
