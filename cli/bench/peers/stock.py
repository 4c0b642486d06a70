"""Stock Faust on aiokafka with its default settings."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import faust
from faust.types import StreamT, TopicT

from .run import PARTITIONS, Asked, Stopwatch, asked, fresh

Event = dict[str, Any]


def main() -> None:
    run = asked()
    watch = Stopwatch(run)
    over = asyncio.Event()
    app = make(run)
    {"noop": noop, "sum": keep_sum, "two": keep_two}[run.workload](app, run, watch, over)

    @app.task
    async def finish() -> None:
        await over.wait()
        await commit(app)
        watch.committed()
        watch.tell()
        os._exit(0)  # an orderly stop takes seconds and adds nothing: all is committed

    faust.Worker(app, loglevel="error", stdout=sys.stderr, redirect_stdouts=False).execute_from_commandline()


def make(run: Asked) -> faust.App:
    return faust.App(
        fresh("stock"),
        broker=f"kafka://{run.bootstrap}",
        store=f"{run.store}://",
        processing_guarantee=run.guarantee,
        datadir=run.folder,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        web_enabled=False,
    )


def noop(app: faust.App, run: Asked, watch: Stopwatch, over: asyncio.Event) -> None:
    @app.agent(source(app, run))
    async def decode_all(stream: StreamT[Event]) -> None:
        async for _ in timed(stream, watch, over):
            pass


def keep_sum(app: faust.App, run: Asked, watch: Stopwatch, over: asyncio.Event) -> None:
    totals = app.Table("total", default=int, partitions=PARTITIONS)

    @app.agent(source(app, run))
    async def add(stream: StreamT[Event]) -> None:
        async for event in timed(stream, watch, over):
            totals[event["user"]] += event["amount"]


def keep_two(app: faust.App, run: Asked, watch: Stopwatch, over: asyncio.Event) -> None:
    totals = app.Table("total", default=int, partitions=PARTITIONS)
    counts = app.Table("count", default=int, partitions=PARTITIONS)
    told = app.topic(
        f"{run.topic}-out-stock", partitions=PARTITIONS, replicas=1, key_type=bytes, value_serializer="json"
    )

    @app.agent(source(app, run))
    async def add(stream: StreamT[Event]) -> None:
        await told.maybe_declare()
        async for event in timed(stream, watch, over):
            user = event["user"]
            totals[user] += event["amount"]
            counts[user] += 1
            await told.send(key=user.encode(), value={"u": user, "t": totals[user]})


def source(app: faust.App, run: Asked) -> TopicT:
    return app.topic(run.topic, key_type=bytes, value_serializer="json")


async def timed(stream: StreamT[Event], watch: Stopwatch, over: asyncio.Event) -> AsyncIterator[Event]:
    """The events up to the last one asked for; it then waits, so that these are committed and no others."""
    async for event in stream:
        if watch.over:
            await asyncio.Event().wait()
        yield event
        if watch.count():
            over.set()


async def commit(app: faust.App) -> None:
    """What the tables and agents wrote, and then the offsets."""
    await app.producer.flush()
    if not await app.consumer.commit():  # another commit was under way, perhaps of less
        await app.consumer.commit()


if __name__ == "__main__":
    main()
