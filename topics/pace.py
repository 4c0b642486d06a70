"""Which settings of the brokers make a hand-over, or the recovery from a death, slow. They are the operator's to set: we only say so."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

WITHIN = 5.0  # seconds for an answer


class Pace(NamedTuple):
    """A setting of brokers, the most that suits, and what waits for it."""

    name: str
    most: int  # ms
    what: str


PACES = (
    Pace("broker.session.timeout.ms", 10_000, "partitions of a broker that died have no leader"),
    Pace("group.consumer.session.timeout.ms", 10_000, "partitions of a worker that was killed are read by nobody"),
    Pace("group.consumer.heartbeat.interval.ms", 1_000, "partitions that a worker hands over are read by nobody"),
    Pace(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        5_000,
        "readers wait, beyond its time limit, for the transaction of a worker that nobody follows",
    ),
)


def slow(broker: AdminClient) -> list[str]:
    """A sentence for each setting that is above what suits; none where the brokers do not say."""
    try:
        first = ConfigResource(ResourceType.BROKER, str(min(broker.list_topics(timeout=WITHIN).brokers)))
        entries = broker.describe_configs([first], request_timeout=WITHIN)[first].result()
    except (KafkaException, ValueError):
        return []
    values = {pace: int(entries[pace.name].value) for pace in PACES if pace.name in entries}
    return [
        f"for {value / 1000:.0f} s {pace.what}: the brokers' {pace.name} is {value}; {pace.most} or less suits"
        for pace, value in values.items()
        if value > pace.most
    ]
