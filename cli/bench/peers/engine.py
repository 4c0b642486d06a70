"""The engine under ordinary Faust agents: our own row. Beside the workloads of the peers it does three of its own:
`usage` (the real events into the real tables), `latency`, and `recover` (a table of an earlier run is read back).
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from faust.types import StreamT

from cli.bench.peers.run import Asked, Stopwatch, fresh, options, tell
from streams import engine

LOOK = 0.002  # seconds between two looks at how many events are done: counting each would be part of what is measured
PATIENCE = 60.0  # seconds for the first event


def main() -> None:
    asking = options("noop", "sum", "avro", "two", "usage", "latency", "recover")
    asking.add_argument("--group", default="")
    said = vars(asking.parse_args())
    group = said.pop("group") or fresh("engine")
    asyncio.run(measured(Asked(**said), group))


async def measured(run: Asked, group: str) -> None:
    app = made(run, group)
    watch = Stopwatch(run)
    delays: list[float] = []
    WORKLOADS[run.workload](app, run, delays)
    began = time.perf_counter()
    await app.start()
    try:
        if run.workload == "recover":
            await recovered(app, began)
            return
        await done(app, watch, run.seconds + PATIENCE)
        while not app.consumer.committed_all():
            if not await app.consumer.commit():
                await asyncio.sleep(0.01)
        watch.committed()
        if delays:
            cut = statistics.quantiles(delays, n=100)
            tell({"events": len(delays), "p50": round(cut[49] * 1e3, 2), "p99": round(cut[98] * 1e3, 2)})
        else:
            watch.tell()
    finally:
        await app.stop()


async def done(app: engine.App, watch: Stopwatch, within: float) -> None:
    """Until the watch is over. Raises what ended the app, or TimeoutError."""
    deadline = time.monotonic() + within
    while not watch.over:
        if more := app.consumer.work.counted() - watch.events:
            watch.count(more)
        elif not watch.events:
            watch.start()  # again and again, until the first event is done
        if app.crashed:
            raise app.crash_reason or engine.Stopped("the app crashed")
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(LOOK)


def made(run: Asked, group: str) -> engine.App:
    folder = run.folder / group
    folder.mkdir(parents=True, exist_ok=True)
    return engine.App(
        group,
        broker=f"librdkafka://{run.bootstrap}",
        processing_guarantee=run.guarantee,
        store=f"{run.store}://",
        datadir=folder,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        topic_partitions=8,
        topic_replication_factor=1,
        web_enabled=False,
    )


def noop(app: engine.App, run: Asked, _: list[float]) -> None:
    async def work(events: StreamT[Any]) -> None:
        async for _ in events:
            pass

    app.agent(source(app, run))(work)


def total(app: engine.App, run: Asked, _: list[float]) -> None:
    sums = app.Table("sums", default=int, key_type=str, value_type=int)

    async def work(events: StreamT[Any]) -> None:
        async for event in events:
            sums[event["user"]] += event["amount"]

    app.agent(source(app, run))(work)


def typed(app: engine.App, run: Asked, _: list[float]) -> None:
    """The same over typed Avro events."""
    from cli.bench.peers.click import Click, Clicks

    sums = app.Table("sums", default=int, key_type=str, value_type=int)

    async def work(events: StreamT[Click]) -> None:
        async for event in events:
            sums[event.user] += event.amount

    app.agent(app.topic(run.topic, key_type=bytes, value_serializer=Clicks()))(work)


def two(app: engine.App, run: Asked, delays: list[float]) -> None:
    sums = app.Table("sums", default=int, key_type=str, value_type=int)
    counts = app.Table("counts", default=int, key_type=str, value_type=int)
    outputs = app.topic(f"{run.topic}-out-engine", key_type=bytes, value_serializer="json")

    async def work(events: StreamT[Any]) -> None:
        async for event in events:
            user = event["user"]
            counts[user] += 1
            sums[user] = told = sums[user] + event["amount"]
            await outputs.send(key=user.encode(), value={"u": user, "t": told})

    app.agent(source(app, run))(work)


def latency(app: engine.App, run: Asked, delays: list[float]) -> None:
    """From the time in the event to its row; the outputs, read by somebody else, carry that time on."""
    sums = app.Table("sums", default=int, key_type=str, value_type=int)
    outputs = app.topic(f"{run.topic}-out-engine", key_type=bytes, value_serializer="json")

    async def work(events: StreamT[Any]) -> None:
        async for event in events:
            sums[event["user"]] += event["amount"]
            delays.append(time.time() - event["ts"])
            await outputs.send(key=None, value={"ts": event["ts"]})

    app.agent(source(app, run))(work)


def usage(app: engine.App, run: Asked, _: list[float]) -> None:
    """`usage.recorded` as it is: Avro, envelope, verdict, totals."""
    from streams.ledger import Ledger
    from streams.tables import declared, sending
    from topics import TABLES

    ledger = Ledger({table.name: declared(app, table) for table in TABLES}, 8, lambda _: None, sending(app))
    topic = app.topic(run.topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def work(events: StreamT[bytes]) -> None:
        async for event in events.events():
            ledger.take(event.message)

    app.agent(topic)(work)


def source(app: engine.App, run: Asked) -> Any:
    return app.topic(run.topic, key_type=bytes, value_serializer="json")


async def recovered(app: engine.App, began: float) -> None:
    """Seconds until every row is back, and how many there are."""
    while not app.consumer.ready():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - began
    rows = sum(len(shard.rows[0]) for shard in app.consumer.work.shards.values())
    tell(
        {
            "events": rows,
            "seconds": round(app.consumer.ownership.recovery_seconds, 4),
            "ready_seconds": round(seconds, 4),
        }
    )


WORKLOADS = {
    "noop": noop,
    "sum": total,
    "avro": typed,
    "two": two,
    "latency": latency,
    "usage": usage,
    "recover": total,
}

if __name__ == "__main__":
    main()
