"""A bare loop over confluent-kafka: what a consumer in Python can do at most, with nothing made durable, whatever was asked for."""

from __future__ import annotations

import msgspec
from confluent_kafka import Consumer, Message

from .run import Asked, Stopwatch, asked, fresh, unsupported

BATCH = 10_000  # events
WAIT = 0.05  # seconds for a batch to fill


def main() -> None:
    run = asked()
    if why := refusal(run):
        unsupported(why)
    watch = Stopwatch(run)
    reader = Consumer(settings(run))
    reader.subscribe([run.topic])
    if run.workload == "noop":
        decode_all(reader, watch)
        reader.commit(asynchronous=False)
        watch.committed()
    else:
        keep_sums(reader, watch)  # in a dict nobody could restore: never committed
    watch.tell()
    reader.close()


def refusal(run: Asked) -> str:
    """Why it cannot; empty when it can."""
    if run.workload == "two":
        return "a bare loop has no tables that survive it, and sends nothing"
    if run.workload == "sum" and run.store == "rocksdb":
        return "a bare loop keeps its sums in a dict"
    return ""


def settings(run: Asked) -> dict[str, str | int | bool]:
    """The defaults of librdkafka stall a fast reader: it backs off for a second whenever its queue is full."""
    return {
        "bootstrap.servers": run.bootstrap,
        "group.id": fresh("raw"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.queue.backoff.ms": 5,
        "queued.min.messages": 50_000,
        "check.crcs": False,
    }


def decode_all(reader: Consumer, watch: Stopwatch) -> None:
    decode = msgspec.json.Decoder().decode
    while not watch.over:
        if messages := read(reader, watch):
            for message in messages:
                decode(message.value() or b"")
            watch.count(len(messages))


def keep_sums(reader: Consumer, watch: Stopwatch) -> None:
    decode = msgspec.json.Decoder().decode
    sums: dict[str, int] = {}
    while not watch.over:
        if messages := read(reader, watch):
            for message in messages:
                event = decode(message.value() or b"")
                user = event["user"]
                sums[user] = sums.get(user, 0) + event["amount"]
            watch.count(len(messages))


def read(reader: Consumer, watch: Stopwatch) -> list[Message]:
    """The next events, none beyond the last one asked for."""
    messages = reader.consume(min(BATCH, watch.enough - watch.events), WAIT)
    if messages and not watch.began:
        watch.start()
    return messages


if __name__ == "__main__":
    main()
