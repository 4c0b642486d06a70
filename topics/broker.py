"""How a Kafka client of ours is set: one place for addresses, credentials and durability."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from config import Kafka, metrics

log = logging.getLogger("soulfra.kafka")

Configuration = dict[str, Any]
REFUSALS = {
    KafkaError._AUTHENTICATION: ("credentials", "SOULFRA_KAFKA__SASL_USERNAME, SASL_PASSWORD and SASL_MECHANISM"),
    KafkaError._SSL: ("tls", "SOULFRA_KAFKA__SECURITY_PROTOCOL and CA_FILE"),
}
SESSION = 10_000  # milliseconds after which the partitions of a consumer that was killed become free
REMEMBERED = 60.0  # seconds; librdkafka repeats the same refusal every 30 s at most


class Refusals:
    """What a broker refused this process last: waiting does not help, other settings do. Clients note it in their threads."""

    def __init__(self) -> None:
        self._last, self._at = "", 0.0

    def note(self, error: KafkaError) -> None:
        """librdkafka's `error_cb`. A broker that is merely away is no refusal: the client tries again."""
        if error.code() in REFUSALS:
            reason, names = REFUSALS[error.code()]
            metrics.REFUSALS.labels(reason).inc()
            self._last, self._at = f"a broker refuses us ({error.str()}): check {names}", time.monotonic()
            log.error("%s", self._last)

    def sentence(self) -> str:
        """Empty when nothing was refused lately."""
        return self._last if time.monotonic() - self._at < REMEMBERED else ""


refusals = Refusals()


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
        "logger": log,
        "error_cb": refusals.note,
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
        "session.timeout.ms": SESSION,
    }


def admin(kafka: Kafka) -> AdminClient:
    return AdminClient(client(kafka, "admin") | {"socket.timeout.ms": 10_000})


def answers(question: Callable[[float], Mapping[Any, Future[Any]]], within: float, again: int = 2) -> dict[Any, Any]:
    """The results of an Admin request, by resource; `question` sends it with a time limit of `within` seconds.

    It is sent again, `again` times, when it timed out: a client that missed a change of its connections waits for the next, in vain
    (librdkafka 2.16, on a busy machine: "Failed while waiting for controller"). Raises KafkaException.
    """
    try:
        return {of: answer.result() for of, answer in question(within).items()}
    except KafkaException as away:
        if not again or away.args[0].code() != KafkaError._TIMED_OUT:
            raise
    return answers(question, within, again - 1)
