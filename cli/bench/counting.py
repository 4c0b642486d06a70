"""A worker of the engine for benches: counts and sums by key, and sends one record for each event.

    python -m cli.bench.counting <bootstrap> <app> <instance> <folder> [rocksdb]

Events are JSON, {"user": str, "amount": int, "n": int}, on `<app>-in`; outputs are {"n": int} on `<app>-out`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from faust.types import StreamT

from config import FAILPOINT
from streams import engine
from streams.app import failpoint, serve


def made(bootstrap: str, name: str, instance: str, folder: Path, store: str = "memory") -> engine.App:
    options = engine.Options(instance=instance, at_step=failpoint(os.environ.get(FAILPOINT, "")))
    app = engine.App(
        name,
        engine=options,
        broker=f"librdkafka://{bootstrap}",
        processing_guarantee="exactly_once",
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        datadir=folder,
        store=f"{store}://",
        topic_allow_declare=False,
        web_enabled=False,
    )
    events = app.topic(f"{name}-in", key_type=bytes, value_serializer="json")
    outputs = app.topic(f"{name}-out", key_type=bytes, value_serializer="json")
    totals = app.Table("totals", key_type=str, value_type=tuple, default=lambda: (0, 0))

    async def count(stream: StreamT[dict[str, int]]) -> None:
        async for event in stream:
            user = str(event["user"])
            events_, amount = totals[user]
            totals[user] = (events_ + 1, amount + event["amount"])
            await outputs.send(key=user.encode(), value={"n": event["n"]})

    app.agent(events)(count)
    return app


def main() -> None:
    bootstrap, name, instance, folder, *store = sys.argv[1:]
    logging.basicConfig(level="WARNING", format="%(asctime)s %(message)s")
    app = made(bootstrap, name, instance, Path(folder), *store)
    try:
        asyncio.run(serve(app, []))
    except engine.Stopped as stopped:
        sys.exit(f"stopped: {stopped}")


if __name__ == "__main__":
    main()
