"""Stock Faust, exactly once: counts events in a table, as robinhood/faust#340 does. Runs until it is killed.

python -m peers.counting <bootstrap> <app> <folder>
"""

from __future__ import annotations

import sys
from pathlib import Path

import faust
from faust.types import StreamT

from .run import PARTITIONS


def main() -> None:
    bootstrap, name, folder = sys.argv[1:4]
    app = faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        processing_guarantee="exactly_once",
        consumer_auto_offset_reset="earliest",
        datadir=Path(folder),
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        web_enabled=False,
    )
    totals = app.Table("totals", default=int, partitions=PARTITIONS)

    @app.agent(app.topic(f"{name}-in", key_type=bytes, value_serializer="json"))
    async def count(stream: StreamT[dict[str, str]]) -> None:
        async for event in stream:
            totals[event["user"]] += 1

    faust.Worker(app, loglevel="error", stdout=sys.stderr, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
