"""`soulfra worker tables`: folds every topic into the tables, exactly once, and lets time pass as an event."""

from __future__ import annotations

import asyncio
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
from config.telemetry import Health, serve
from schemas import ClockTicked
from schemas.wire import Record, Unknown, encode
from streams import app as apps
from streams import engine
from streams.app import held_back, measure_paused, paused, source
from streams.contracts import Contracts
from streams.engine import Stopped
from streams.engine.codec import Codec
from streams.ledger import Ledger
from topics import CLOCK, TABLES, TABLES_APP, TOPICS, Table, Topic
from topics.plan import check
from topics.rows import reader_of, write

TICK, TICK_NEAR_MIDNIGHT = 60.0, 1.0  # seconds; ages of tiers fall due at midnight, UTC
DAY = 86_400


async def run(settings: Settings) -> None:
    """Runs until it is told to stop. Raises Differs or Stopped with a sentence."""
    check(settings)
    app = apps.make(TABLES_APP, settings, "tables", exactly=True)
    tables = {table.name: declared(app, table) for table in TABLES}
    contracts = Contracts(settings)
    ledger = Ledger(tables, settings.kafka.partitions, contracts.foreign, sending(app))
    for topic in TOPICS:
        follow(app, topic, ledger, contracts)
    progress = Progress(app)
    health = Health(
        lambda: held_back(app) or progress.stuck(settings.worker.stuck_seconds), lambda: held_back(app) or unready(app)
    )
    server = serve(settings.telemetry.host, settings.telemetry.tables_port, health)
    try:
        await apps.serve(app, [lambda: watch(app, progress, tables), lambda: tick(app)])
    finally:
        server.shutdown()


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


class Progress:
    """Since when each partition with records left stands still."""

    def __init__(self, app: engine.App) -> None:
        self.app = app
        self._seen: dict[tuple[str, int], tuple[int, float]] = {}

    def measure(self) -> None:
        now, found = time.monotonic(), lags(self.app)
        for place, (next, lag) in found.items():
            metrics.LAG.labels(TABLES_APP, place[0], str(place[1])).set(lag)
            before, since = self._seen.get(place, (-1, now))
            if next != before or not lag:
                metrics.PROGRESS.labels(place[0], str(place[1])).set(time.time())
                self._seen[place] = next, now
            else:
                self._seen[place] = next, since
        waiting = (
            found.keys() - self.app.consumer.ownership.halted.keys()
        )  # a restart would not help those that are paused
        self._seen = {place: seen for place, seen in self._seen.items() if place in waiting}

    def stuck(self, seconds: float) -> str:
        """Assigned and not progressing is not live."""
        now = time.monotonic()
        for (topic, partition), (next, since) in list(self._seen.items()):
            if now - since > seconds:
                return f"{topic}/{partition} has records behind {next} and stands still for more than {seconds:.0f} s"
        return ""


def lags(app: engine.App) -> dict[tuple[str, int], tuple[int, int]]:
    """Of each source partition: the next offset, and how many records are not yet in the tables."""
    consumer = app.consumer
    return {
        place: (next, max(0, consumer.highwater(tp) - next))
        for tp in consumer.assignment()
        if (place := (tp.topic, tp.partition)) in consumer.work.lanes
        for next in [consumer.next_of(*place)]
    }


async def watch(app: engine.App, progress: Progress, tables: dict[str, Any]) -> None:
    """Publishes lag and recovery each second."""
    left = {table.changelog: table.name for table in TABLES}
    while True:
        before = time.monotonic()
        await asyncio.sleep(1)
        metrics.LOOP_LAG.set(max(0.0, time.monotonic() - before - 1))
        metrics.ASSIGNED.labels(TABLES_APP).set(len(app.consumer.assignment()))
        remaining = dict.fromkeys(tables, 0)
        for (topic, _), records in list(app.consumer.ownership.remaining.items()):
            remaining[left[topic]] += records
        for name, table in tables.items():
            metrics.RECOVERY_REMAINING.labels(name).set(remaining[name])
            metrics.TABLE_READY.labels(name).set(not unready(app))
            metrics.TABLE_ROWS.labels(name).set(sum(map(len, table.data.all())))
        progress.measure()
        measure_paused(app, TABLES_APP)


def unready(app: engine.App) -> str:
    """Recovering is not ready."""
    if not app.started or not app.begun or not app.consumer.assignment():
        return "no partitions are assigned yet"
    return paused(app) if app.consumer.ready() else "tables are being read back from their changelogs"
