"""Quix Streams with its default settings."""

from __future__ import annotations

from typing import Any

import quixstreams as quix  # type: ignore[import-not-found]  # it is in .venv-bench

from .run import PARTITIONS, Asked, Stopwatch, asked, fresh

Event = dict[str, Any]


def main() -> None:
    run = asked()
    watch = Stopwatch(run)
    app = make(run)
    events = app.dataframe(app.topic(run.topic, key_deserializer="str", value_deserializer="json"))
    if run.workload != "noop":
        events.register_store(quix.state.memory.MemoryStore if run.store == "memory" else None)
        events = keep_sum(events) if run.workload == "sum" else keep_two(app, run, events)
    events.update(lambda _: app.stop() if watch.count() else None)
    app.run()  # commits what it did before it returns
    watch.committed()
    watch.tell()


def make(run: Asked) -> quix.Application:
    return quix.Application(
        broker_address=run.bootstrap,
        consumer_group=fresh("quix"),
        auto_offset_reset="earliest",
        processing_guarantee=run.guarantee.replace("_", "-"),
        state_dir=run.folder,
        loglevel="ERROR",
    )


def keep_sum(events: quix.dataframe.StreamingDataFrame) -> quix.dataframe.StreamingDataFrame:
    def add(event: Event, state: quix.State) -> None:
        state.set("total", state.get("total", 0) + event["amount"])

    return events.update(add, stateful=True)


def keep_two(
    app: quix.Application, run: Asked, events: quix.dataframe.StreamingDataFrame
) -> quix.dataframe.StreamingDataFrame:
    """A stream has one store here: the two tables are two entries of it under each key."""
    config = quix.models.TopicConfig(num_partitions=PARTITIONS, replication_factor=1)
    told = app.topic(f"{run.topic}-out-quix", key_serializer="str", value_serializer="json", config=config)

    def add(event: Event, state: quix.State) -> Event:
        total = state.get("total", 0) + event["amount"]
        state.set("total", total)
        state.set("count", state.get("count", 0) + 1)
        return {"u": event["user"], "t": total}

    return events.apply(add, stateful=True).to_topic(told)


if __name__ == "__main__":
    main()
