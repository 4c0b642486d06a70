"""Reading and writing the log in tests, by other means than the product's own."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import fastavro
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas import UsageRecorded
from schemas.wire import Record, encode
from tests.conftest import PATIENCE, System


def usage(user: str, id: str = "", quantity: str = "1", meter: str = "calls", **more: object) -> UsageRecorded:
    made = {"id": id or uuid.uuid4().hex, "source": "test", "time": datetime.now(UTC), "user": user}
    return UsageRecorded(**(made | {"meter": meter, "quantity": quantity} | more))  # type: ignore[arg-type]


def produce(system: System, topic: str, record: Record, partition: int | None = None) -> None:
    producer = Producer({"bootstrap.servers": system.kafka.bootstrap, "partitioner": "murmur2_random", "acks": "all"})
    where = {} if partition is None else {"partition": partition}
    producer.produce(topic, record.value, record.key, headers=list(record.headers), **where)
    assert producer.flush(PATIENCE) == 0


def send(system: System, event: UsageRecorded) -> Record:
    record = encode(event)
    produce(system, "usage.recorded", record)
    return record


def records(system: System, topic: str) -> Iterator[Message]:
    """Everything on a topic, from the beginning to its present end."""
    consumer = Consumer({"bootstrap.servers": system.kafka.bootstrap, "group.id": uuid.uuid4().hex, "enable.partition.eof": True,
                         "enable.auto.commit": False})  # fmt: skip
    partitions = consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    ended = 0
    while ended < len(partitions):
        message = consumer.poll(PATIENCE)
        assert message is not None, f"{topic} does not answer"
        if message.error():
            ended += 1
        else:
            yield message
    consumer.close()


def recount(system: System, user: str) -> dict[str, Decimal]:
    """A person's usage by meter, counted from the raw log without the product's code: the first record of an id counts."""
    contract = fastavro.parse_schema(json.loads((system.contracts / "UsageRecorded.v1.avsc").read_text()))
    seen, totals = set[tuple[bytes, bytes]](), dict[str, Decimal]()
    for message in records(system, "usage.recorded"):
        headers = dict(message.headers() or [])
        if message.key() != f"main/{user}".encode() or (headers["ce_source"], headers["ce_id"]) in seen:
            continue
        seen.add((headers["ce_source"], headers["ce_id"]))
        body = fastavro.schemaless_reader(io.BytesIO(message.value()[5:]), contract, contract)
        totals[body["meter"]] = totals.get(body["meter"], Decimal()) + Decimal(body["quantity"])
    return totals


def dead(system: System, topic: str, key: bytes | None) -> list[dict[str, str]]:
    """Headers of the dead letters of a key."""
    found = [message for message in records(system, f"{topic}.dlq") if message.key() == key]
    return [{name: (value or b"").decode() for name, value in message.headers() or []} for message in found]
