"""Which settings of the brokers make the recovery from a death slow. They are the operator's to set: we only say so."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource, ResourceType

from config import Kafka
from topics.broker import admin

WITHIN = 5.0  # seconds for an answer


class Pace(NamedTuple):
    """A setting of brokers, the most that suits, and what waits for it."""

    name: str
    most: int  # ms
    what: str


PACES = (
    Pace("broker.session.timeout.ms", 10_000, "partitions of a broker that died have no leader"),
    Pace("group.consumer.session.timeout.ms", 10_000, "partitions of a worker that was killed are read by nobody"),
    Pace(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        5_000,
        "readers wait, beyond its time limit, for the transaction of a worker that nobody follows",
    ),
)


def slow(kafka: Kafka) -> list[str]:
    """A sentence for each setting that is above what suits; none where the brokers do not say."""
    broker = admin(kafka)
    try:
        first = min(broker.list_topics(timeout=WITHIN).brokers)
        [asked] = broker.describe_configs(
            [ConfigResource(ResourceType.BROKER, str(first))], request_timeout=WITHIN
        ).values()
        told = {
            name: int(entry.value) for name, entry in asked.result().items() if name in {pace.name for pace in PACES}
        }
    except (KafkaException, ValueError):
        return []
    return [
        f"for {told[pace.name] / 1000:.0f} s {pace.what}: the brokers' {pace.name} is {told[pace.name]}; {pace.most} or less suits"
        for pace in PACES
        if told.get(pace.name, 0) > pace.most
    ]
