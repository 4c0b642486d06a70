"""How a Kafka client of ours is set: one place for addresses, credentials and durability."""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AdminClient

from config import Kafka

Configuration = dict[str, Any]


def client(kafka: Kafka, name: str) -> Configuration:
    """librdkafka settings that every client shares."""
    secure: Configuration = {"security.protocol": kafka.security_protocol}
    if kafka.security_protocol.startswith("SASL"):
        secure |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.sasl_username,
            "sasl.password": kafka.sasl_password.get_secret_value(),
        }
    if kafka.ca_file:
        secure["ssl.ca.location"] = str(kafka.ca_file)
    return secure | {
        "bootstrap.servers": kafka.bootstrap,
        "client.id": f"soulfra-{name}",
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "log_level": 2,
    }


def producer(kafka: Kafka, name: str) -> Configuration:
    """Acknowledged means stored, by all replicas in sync, once, in order; keys go where Java's clients put them."""
    return client(kafka, name) | {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 2,
        "delivery.timeout.ms": int(kafka.accept_within * 1000),
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": 65_536,
    }


def reader(kafka: Kafka, name: str, group: str) -> Configuration:
    """A consumer that keeps its own book of offsets, reads what is committed and says when it is at the end."""
    return client(kafka, name) | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 16_384,
        "session.timeout.ms": 10_000,
    }


def admin(kafka: Kafka) -> AdminClient:
    return AdminClient(client(kafka, "admin") | {"socket.timeout.ms": 10_000})
