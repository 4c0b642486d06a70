"""Kafka's requests about transactions that librdkafka does not offer, sent through aiokafka's client (KIP-664)."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

WITHIN = 10.0  # seconds for one request
TEXT: Any = CompactString("utf-8")
TAGS = ("tags", TaggedFields)
NO_TAGS: dict[int, bytes] = {}


def array(*fields: tuple[str, Any]) -> Any:
    """An array of structures; each ends in its tagged fields."""
    return CompactArray(*fields, TAGS)


@dataclass(frozen=True)
class Request:
    """One request of one version; aiokafka's connections ask `prepare` for what goes on the wire."""

    struct: Any

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:
        key, version = self.struct.API_KEY, self.struct.API_VERSION
        lowest, highest = versions.get(key, (1, 0))
        if not lowest <= version <= highest:
            raise IncompatibleBrokerVersion(f"the broker does not know version {version} of request {key}")
        return self.struct


def declared(name: str, key: int, version: int, request: Schema, response: Schema) -> Any:
    """The class of a request, with flexible versions and the response that belongs to it."""
    common = {"API_KEY": key, "API_VERSION": version}
    answer = type(f"{name}Response", (Response,), {**common, "SCHEMA": response})
    body = {**common, "SCHEMA": request, "RESPONSE_TYPE": answer, "FLEXIBLE_VERSION": True}
    return type(f"{name}Request", (RequestStruct,), body)


TOPICS = ("topics", array(("name", TEXT), ("partitions", CompactArray(Int32))))
PRODUCER = (
    ("producer_id", Int64), ("epoch", Int32), ("last_sequence", Int32), ("last_timestamp", Int64),
    ("coordinator_epoch", Int32), ("start", Int64),
)  # fmt: skip
PARTITION = (("partition", Int32), ("error", Int16), ("message", TEXT), ("producers", array(*PRODUCER)))
DESCRIBE_PRODUCERS = declared(
    "DescribeProducers", 61, 0,
    Schema(TOPICS, TAGS),
    Schema(("throttle", Int32), ("topics", array(("name", TEXT), ("partitions", array(*PARTITION)))), TAGS),
)  # fmt: skip
LISTED = (("transactional_id", TEXT), ("producer_id", Int64), ("state", TEXT))
LIST_TRANSACTIONS = declared(
    "ListTransactions", 66, 0,
    Schema(("states", CompactArray(TEXT)), ("producer_ids", CompactArray(Int64)), TAGS),
    Schema(
        ("throttle", Int32), ("error", Int16), ("unknown_states", CompactArray(TEXT)), ("transactions", array(*LISTED)),
        TAGS,
    ),
)  # fmt: skip
DESCRIBED = (
    ("error", Int16), ("transactional_id", TEXT), ("state", TEXT), ("timeout", Int32), ("started", Int64),
    ("producer_id", Int64), ("epoch", Int16), TOPICS,
)  # fmt: skip
DESCRIBE_TRANSACTIONS = declared(
    "DescribeTransactions", 65, 0,
    Schema(("transactional_ids", CompactArray(TEXT)), TAGS),
    Schema(("throttle", Int32), ("transactions", array(*DESCRIBED)), TAGS),
)  # fmt: skip
MARKER = (
    ("producer_id", Int64), ("epoch", Int16), ("committed", Boolean), TOPICS, ("coordinator_epoch", Int32),
)  # fmt: skip
WRITTEN = ("topics", array(("name", TEXT), ("partitions", array(("partition", Int32), ("error", Int16)))))
WRITE_MARKERS = declared(
    "WriteTxnMarkers", 27, 1,
    Schema(("markers", array(*MARKER)), TAGS),
    Schema(("markers", array(("producer_id", Int64), WRITTEN)), TAGS),
)  # fmt: skip


def topics_of(places: Sequence[tuple[str, int]]) -> list[tuple[str, list[int], dict[int, bytes]]]:
    """Partitions by topic, as requests want them."""
    by_topic: dict[str, list[int]] = {}
    for topic, number in places:
        by_topic.setdefault(topic, []).append(number)
    return [(topic, sorted(numbers), NO_TAGS) for topic, numbers in sorted(by_topic.items())]


def client(base: Mapping[str, Any]) -> Any:
    """aiokafka's client, set as librdkafka's clients are: addresses, security, credentials."""
    protocol = str(base.get("security.protocol", "PLAINTEXT")).upper()
    return AIOKafkaClient(
        bootstrap_servers=base["bootstrap.servers"],
        client_id=base.get("client.id", "engine"),
        request_timeout_ms=int(WITHIN * 1000),
        security_protocol=protocol,
        ssl_context=_encrypted(base) if protocol.endswith("SSL") else None,
        sasl_mechanism=base.get("sasl.mechanism", base.get("sasl.mechanisms", "PLAIN")),
        sasl_plain_username=base.get("sasl.username"),
        sasl_plain_password=base.get("sasl.password"),
    )


def _encrypted(base: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=base.get("ssl.ca.location"))
    if certificate := base.get("ssl.certificate.location"):
        context.load_cert_chain(certificate, base.get("ssl.key.location"), base.get("ssl.key.password"))
    return context
