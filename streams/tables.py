"""`soulfra worker tables`: folds every topic into the tables, exactly once, and lets time pass as an event."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from faust.types import StreamT

import streams.chats
import streams.persona
import streams.trust
import streams.usage
import streams.users  # noqa: F401  (each registers its folds)
from config import Settings, metrics
from config.telemetry import Health, Heartbeat
from schemas import ClockTicked
from schemas.wire import Record, Unknown, encode
from streams import app as apps
from streams import engine, start
from streams.app import held_back, source
from streams.contracts import Contracts
from streams.engine import Stopped
from streams.engine.codec import Codec
from streams.ledger import Ledger
from streams.progress import Progress, unready
from topics import CLOCK, TABLES, TABLES_APP, TOPICS, Table, Topic
from topics.rows import reader_of, write

TICK, TICK_NEAR_MIDNIGHT = 60.0, 1.0  # seconds; ages of tiers fall due at midnight, UTC
DAY = 86_400


def run(settings: Settings) -> None:
    """Runs until it is told to stop. Raises Differs or Stopped with a sentence."""
    start.run(settings, settings.telemetry.tables_port, lambda _, *given: asyncio.run(work(settings, *given)))


async def work(settings: Settings, health: Health, stop: threading.Event) -> None:
    app = apps.make(TABLES_APP, settings, "tables", exactly=True)
    tables = {table.name: declared(app, table) for table in TABLES}
    contracts = Contracts(settings)
    ledger = Ledger(tables, settings.kafka.partitions, contracts.foreign, sending(app))
    for topic in TOPICS:
        follow(app, topic, ledger, contracts)
    progress, heart, limit = Progress(app, TABLES_APP), Heartbeat(), settings.worker.stuck_seconds
    health.live = lambda: held_back(app) or heart.stopped(limit) or progress.stuck(limit)
    health.ready = lambda: unready(app)
    await apps.serve(app, [heart.run, progress.run, lambda: watch(app, tables), lambda: tick(app)], stop)


def declared(app: engine.App, table: Table[Any]) -> Any:
    """The table; its rows are frozen structs, encoded once a commit."""
    codec = Codec(str.encode, write, lambda raws: map(bytes.decode, raws), rows_of(table))
    return app.Table(table.name, options={"codec": codec})


def rows_of(table: Table[Any]) -> Callable[[Iterable[bytes]], list[Any]]:
    """Reads rows of a changelog. What it returns raises Stopped for rows that another release wrote in another way."""
    decode = reader_of(table)

    def decoded(raws: Iterable[bytes]) -> list[Any]:
        try:
            return list(map(decode, raws))
        except msgspec.DecodeError as wrong:
            raise Stopped(
                f"table {table.name}: its changelog {table.changelog} holds rows that this release cannot read ({wrong}). "
                "Start the release that wrote them, or one in which the table has a new version; "
                "on one machine, `soulfra reset` starts from nothing"
            ) from None

    return decoded


def sending(app: engine.App) -> Any:
    def send(topic: str, partition: int, record: Record) -> None:
        app.producer.submit(topic, record.key, record.value, partition, None, record.headers)

    return send


def follow(app: engine.App, topic: Topic, ledger: Ledger, contracts: Contracts) -> None:
    """One stream agent per topic: all folds of an event stand or fall together."""

    async def fold_records(records: StreamT[bytes]) -> None:
        async for event in records.events():
            try:
                ledger.take(event.message)
            except Unknown as unknown:
                await contracts.learned(unknown, event.message.timestamp, partial(ledger.take, event.message))

    app.agent(source(app, topic), name=f"fold {topic.name}")(fold_records)


async def tick(app: engine.App) -> None:
    """Says that time passed, on every partition this process owns."""
    last: dict[int, float] = {}
    send = sending(app)
    while True:
        await asyncio.sleep(TICK_NEAR_MIDNIGHT)
        if unready(app):
            continue
        now = time.time()
        for tp in sorted(app.consumer.assignment()):
            if tp.topic == CLOCK.name and now - last.get(tp.partition, 0.0) >= _interval(now):
                last[tp.partition] = now
                send(CLOCK.name, tp.partition, encode(clock_tick(tp.partition, datetime.fromtimestamp(now, UTC))))


def clock_tick(partition: int, at: datetime) -> ClockTicked:
    name = f"p{partition}"
    return ClockTicked(id=f"{name}@{at:%Y%m%dT%H%M%S}", source="soulfra", time=at, user=name, partition=partition)


def _interval(now: float) -> float:
    return TICK_NEAR_MIDNIGHT if min(now % DAY, DAY - now % DAY) < TICK else TICK


async def watch(app: engine.App, tables: dict[str, Any]) -> None:
    """Publishes recovery and size of the tables each second."""
    left = {table.changelog: table.name for table in TABLES}
    while True:
        await asyncio.sleep(1)
        remaining = dict.fromkeys(tables, 0)
        for (topic, _), records in list(app.consumer.ownership.remaining.items()):
            remaining[left[topic]] += records
        reading = any(remaining.values())
        for name, table in tables.items():
            metrics.RECOVERY_REMAINING.labels(name).set(remaining[name])
            metrics.TABLE_READY.labels(name).set(app.consumer.ready() or (reading and not remaining[name]))
            metrics.TABLE_ROWS.labels(name).set(sum(map(len, table.data.all())))
