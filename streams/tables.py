"""`soulfra worker tables`: folds every topic into the tables, and lets time pass as an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import faust
from confluent_kafka import Consumer, TopicPartition
from faust.types import StreamT

import streams.chats
import streams.persona
import streams.trust
import streams.usage
import streams.users  # noqa: F401  (each registers its folds)
from config import Settings, metrics
from config.telemetry import Health, serve
from schemas import ClockTicked
from schemas.wire import encode
from streams import app as faust_app
from streams.app import Stopped, assigned, source
from streams.ledger import Ledger
from streams.registry import Registry
from topics import CLOCK, TABLES, TABLES_APP, TOPICS, Topic
from topics.broker import reader
from topics.plan import check

TICK, TICK_NEAR_MIDNIGHT = 60.0, 1.0  # seconds; ages of tiers fall due at midnight, UTC
DAY = 86_400
GIVEN_UP = 5.0  # seconds without progress after which a partition is read again from its position
PROBED = 5.0  # seconds that the log may take to answer


async def run(settings: Settings) -> None:
    """Runs until it is told to stop. Raises Differs or Stopped with a sentence."""
    ids = check(settings)
    app = faust_app.make(TABLES_APP, settings)
    tables = {
        table.name: app.Table(
            table.name,
            partitions=settings.kafka.partitions,
            key_type=bytes,
            value_type=bytes,
        )
        for table in TABLES
    }
    ledger = Ledger(app, tables, ids, settings.kafka.partitions, Registry(settings.registry.url), probe(settings))
    for topic in TOPICS:
        follow(app, topic, ledger)
    health = Health(lambda: stuck(app, ledger, settings.worker.stuck_seconds), lambda: unready(app))
    server = serve(settings.telemetry.host, settings.telemetry.tables_port, health)
    try:
        await faust_app.serve(app, [lambda: watch(app, ledger), lambda: tick(app, ledger)])
    finally:
        server.shutdown()


def probe(settings: Settings) -> Callable[[str, int, int], int]:
    """Asks the log itself for the first record at or after an offset."""

    def first_from(topic: str, partition: int, offset: int) -> int:
        consumer = Consumer(reader(settings.kafka, "probe", f"{TABLES_APP}-probe"))
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            found = consumer.poll(PROBED)
            return offset if found is None or found.error() else found.offset() or 0
        finally:
            consumer.close()

    return first_from


def follow(app: faust.App, topic: Topic, ledger: Ledger) -> None:
    """One stream agent per topic: all folds of an event stand or fall together."""

    async def fold_records(records: StreamT[bytes]) -> None:
        async for event in records.events():
            await ledger.take(event.message)

    app.agent(source(app, topic), name=f"fold {topic.name}")(fold_records)


async def tick(app: faust.App, ledger: Ledger) -> None:
    """Says that time passed, on every partition this process owns."""
    last: dict[int, float] = {}
    while True:
        await asyncio.sleep(TICK_NEAR_MIDNIGHT)
        if unready(app):
            continue
        now = time.time()
        for tp in sorted(assigned(app)):
            if tp.topic == CLOCK.name and now - last.get(tp.partition, 0.0) >= _interval(now):
                last[tp.partition] = now
                ticked = clock_tick(tp.partition, datetime.fromtimestamp(now, UTC))
                record = encode(ticked)
                await app.producer.send_and_wait(
                    CLOCK.name, record.key, record.value, tp.partition, timestamp=None, headers=record.headers
                )


def clock_tick(partition: int, at: datetime) -> ClockTicked:
    name = f"p{partition}"
    return ClockTicked(id=f"{name}@{at:%Y%m%dT%H%M%S}", source="soulfra", time=at, user=name, partition=partition)


def _interval(now: float) -> float:
    return TICK_NEAR_MIDNIGHT if min(now % DAY, DAY - now % DAY) < TICK else TICK


async def watch(app: faust.App, ledger: Ledger) -> None:
    """Publishes lag and recovery each second, and ends the process when our own code keeps failing."""
    checked = False
    while True:
        before = time.monotonic()
        await asyncio.sleep(1)
        metrics.LOOP_LAG.set(max(0.0, time.monotonic() - before - 1))
        if ledger.broken:
            raise Stopped(ledger.broken)
        if unready(app):
            checked, ledger.ready_at = False, time.monotonic()
            _measure_recovery(app, ledger)
            continue
        if not checked:
            ledger.check_ids()
            checked = True
        _measure(app, ledger)
        for (topic, partition), lag in lags(app, ledger).items():
            if lag and ledger.idle(topic, partition) > GIVEN_UP:
                await ledger.go_back(topic, partition)


def _measure_recovery(app: faust.App, ledger: Ledger) -> None:
    """How much of each table is not yet read back."""
    left = dict.fromkeys(ledger.tables, 0)
    if assigned(app):
        named = {table.changelog: table.name for table in TABLES}
        for tp, remaining in app.tables.recovery.active_remaining().items():  # type: ignore[attr-defined]
            left[named[tp.topic]] += max(0, remaining)
    for name, remaining in left.items():
        metrics.TABLE_READY.labels(name).set(0)
        metrics.RECOVERY_REMAINING.labels(name).set(remaining)


def _measure(app: faust.App, ledger: Ledger) -> None:
    metrics.ASSIGNED.labels(TABLES_APP).set(len(assigned(app)))
    for (topic, partition), lag in lags(app, ledger).items():
        metrics.LAG.labels(TABLES_APP, topic, str(partition)).set(lag)
    for name, table in ledger.tables.items():
        metrics.TABLE_READY.labels(name).set(1)
        metrics.RECOVERY_REMAINING.labels(name).set(0)
        metrics.TABLE_ROWS.labels(name).set(len(table))


def lags(app: faust.App, ledger: Ledger) -> dict[tuple[str, int], int]:
    """Records of each source partition that are not yet in the tables."""
    sources = {topic.name for topic in TOPICS}
    return {
        (tp.topic, tp.partition): max(0, (app.consumer.highwater(tp) or 0) - ledger.expected(tp.topic, tp.partition))
        for tp in assigned(app)
        if tp.topic in sources
    }


def unready(app: faust.App) -> str:
    """Recovering is not ready."""
    if not assigned(app):
        return "no partitions are assigned yet"
    if app.rebalancing:
        return "partitions are being assigned anew"
    recovery = app.tables.recovery  # type: ignore[attr-defined]
    if not recovery.completed.is_set() or recovery.in_recovery:
        return "tables are being read back from their changelogs"
    return ""


def stuck(app: faust.App, ledger: Ledger, seconds: float) -> str:
    """Assigned and not progressing is not live."""
    if unready(app):
        return ""
    for (topic, partition), lag in lags(app, ledger).items():
        if lag and ledger.idle(topic, partition) > seconds:
            return f"{topic}/{partition} has {lag} records and was last worked on more than {seconds:.0f} s ago"
    return ""
