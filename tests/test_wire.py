"""The wire: any standard client reads our topics and writes to those it may; what is wrong is set aside with its reason."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from config.keys import new_user
from schemas.wire import Record, encode, headers
from tests.conftest import System, eventually
from tests.log import dead, produce, records, send, usage
from topics.place import partition_of

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def registry(system: System) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": f"http://127.0.0.1:{system.ports['api']}"}) as client:
        yield client


def counted(system: System, user: str) -> dict[str, str]:
    with system.client(user=user) as client:
        answer = client.get("/v1/users/me/usage")
        return {meter["meter"]: meter["quantity"] for meter in answer.json()["meters"]} if answer.is_success else {}


def forwarded(system: System) -> float:
    text = httpx.get(f"http://127.0.0.1:{system.ports['tables']}/metrics").text
    found = [line for line in text.splitlines() if line.startswith('soulfra_forwarded_total{topic="usage.recorded"}')]
    return float(found[0].split()[-1]) if found else 0.0


def test_a_standard_deserializer_reads_our_topics_through_the_edges_registry(
    system: System, registry: SchemaRegistryClient
) -> None:
    user = new_user()
    send(system, usage(user, meter="read.back", quantity="1.5"))
    mine = next(message for message in records(system, "usage.recorded") if message.key() == f"main/{user}".encode())
    read = AvroDeserializer(registry)(mine.value(), SerializationContext("usage.recorded", MessageField.VALUE))
    assert (read["meter"], read["quantity"]) == ("read.back", "1.5")


def test_an_event_of_a_standard_serializer_is_counted(system: System, registry: SchemaRegistryClient) -> None:
    user, settings = new_user(), {"auto.register.schemas": False, "use.latest.version": True}
    event = usage(user, meter="serialized", quantity="2.25")
    write = AvroSerializer(registry, conf=settings)
    value = write({**event.body()}, SerializationContext("usage.recorded", MessageField.VALUE))
    produce(system, "usage.recorded", Record(event.key.encode(), value, headers(event)))
    assert eventually(lambda: counted(system, user) == {"serialized": "2.25"}), counted(system, user)


def test_an_event_sent_by_java_lands_where_ours_do_and_is_counted(system: System) -> None:
    if not shutil.which("javac"):
        pytest.skip("this machine has a Java runtime without a compiler")
    user = new_user()
    record = encode(usage(user, meter="from.java"))
    jars = next(part for part in system.kafka.argv if "kafka" in part and part.endswith("*"))
    told = [f"{name}={value.decode()}" for name, value in record.headers]
    words = [
        "java",
        "-cp",
        jars,
        "tests/java/Produce.java",
        system.kafka.bootstrap,
        "usage.recorded",
        record.key.decode(),
    ]
    done = subprocess.run(
        [*words, base64.b64encode(record.value).decode(), *told],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert int(done.stdout.split()[-1]) == partition_of(record.key, 8)
    assert eventually(lambda: counted(system, user) == {"from.java": "1"})


def test_a_record_in_a_wrong_partition_is_forwarded_to_its_own_and_counted_once(system: System) -> None:
    user, before = new_user(), forwarded(system)
    record = encode(usage(user, meter="astray"))
    produce(system, "usage.recorded", record, (partition_of(record.key, 8) + 1) % 8)
    assert eventually(lambda: counted(system, user) == {"astray": "1"})
    assert forwarded(system) == before + 1


def test_events_written_in_transactions_are_counted_though_their_markers_leave_holes_in_the_log(system: System) -> None:
    user = new_user()
    producer = Producer(
        {"bootstrap.servers": system.kafka.bootstrap, "partitioner": "murmur2_random", "transactional.id": user}
    )
    producer.init_transactions(10)
    for n in range(5):
        record = encode(usage(user, id=f"t{n}", meter="in.transactions"))
        producer.begin_transaction()
        producer.produce("usage.recorded", record.value, record.key, headers=list(record.headers))
        producer.commit_transaction(10)
    assert eventually(lambda: counted(system, user) == {"in.transactions": "5"}), counted(system, user)


def test_the_registry_refuses_to_register(registry: SchemaRegistryClient, system: System) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{system.ports['api']}/subjects/usage.recorded-value/versions", json={"schema": "{}"}
    )
    assert answer.status_code == 422 and "read-only" in answer.json()["message"]
    assert registry.get_latest_version("usage.recorded-value").schema_id >= 2**30


BAD = {
    "no headers": (lambda r: r._replace(headers=[]), "ce_id"),
    "no framing": (lambda r: r._replace(value=b"{}{}{}{}"), "byte 123"),
    "a tombstone": (lambda r: r._replace(value=None), "empty"),
    "cut off": (lambda r: r._replace(value=r.value[:8]), "cannot be read"),
    "a schema nobody knows": (lambda r: r._replace(value=b"\x00\x00\x00\x00\x07" + r.value[5:]), "schema 7"),
    "an unknown type": (lambda r: _with(r, "ce_type", "soul.sold"), "not known"),
    "another's key": (lambda r: _with(r, "ce_subject", "u_other"), "key differs"),
    "no zone": (lambda r: _with(r, "ce_time", "2026-01-01T00:00:00"), "no zone"),
    "the year 9999": (lambda r: _with(r, "ce_time", "9999-12-31T23:59:59Z"), "future"),
    "a topic it does not belong to": (lambda r: _with(r, "ce_type", "clock.ticked"), ""),
}


def _with(record: Record, name: str, value: str) -> Record:
    return record._replace(headers=[(n, value.encode() if n == name else v) for n, v in record.headers])


@pytest.mark.parametrize("wrong", BAD)
def test_a_record_that_cannot_be_taken_is_set_aside_with_its_reason_and_the_next_is_counted(
    system: System, wrong: str
) -> None:
    user = new_user()
    spoil, says = BAD[wrong]
    bad = spoil(encode(usage(user)))
    produce(system, "usage.recorded", bad)
    send(system, usage(user, meter="next"))
    assert eventually(lambda: counted(system, user) == {"next": "1"}), counted(system, user)
    [letter] = dead(system, "usage.recorded", bad.key)
    assert says in letter["__streams.errors.message"]
    assert letter["__streams.errors.topic"] == "usage.recorded" and letter["soulfra.reason"] in ("malformed", "refused")


def test_a_dead_letter_is_the_original_bytes(system: System) -> None:
    user = new_user()
    bad = encode(usage(user))._replace(value=b"\x09 not ours")
    produce(system, "usage.recorded", bad)
    found = eventually(lambda: [m for m in records(system, "usage.recorded.dlq") if m.key() == bad.key])
    assert found[0].value() == bad.value and found[0].partition() == partition_of(bad.key, 8)


def test_time_passes_as_an_event_on_every_partition(system: System) -> None:
    assert eventually(lambda: {message.partition() for message in records(system, "clock.ticked")} == set(range(8)))
    assert datetime.now(UTC).year >= 2026
