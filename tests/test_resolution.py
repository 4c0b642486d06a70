"""Events of contracts that others wrote: each case is read by us and by Java's Avro, and differences are written down."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.local.java import TOOLS, NoMaven, java, maven
from schemas import Malformed, UsageRecorded
from schemas.avro import contract
from schemas.foreign import Foreign
from schemas.resolution import resolved
from schemas.wire import FRAME, Record, decode, encode

HERE = Path(__file__).parent / "java"
JARS = TOOLS / "avro-1.12.2"
REFUSED = "ERROR"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MICROS = 1_767_225_600_000_000


def of(primitive: str, logical: str, **more: Any) -> dict[str, Any]:
    return {"type": primitive, "logicalType": logical, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def part(name: str, *fields: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


class Case(NamedTuple):
    """What was written, the reader's type, what we read, and what Java reads where that differs."""

    writer: Any
    value: Any
    reader: Any
    ours: Any
    java: Any = ...


INSTANT = of("long", "timestamp-micros")
TWO = of("bytes", "decimal", precision=9, scale=2)
THREE = of("bytes", "decimal", precision=9, scale=3)
INNER = part("P", {"name": "a", "type": "long"})
GROWN = part("P", {"name": "b", "type": "string", "default": "x"}, {"name": "a", "type": "double"})
CASES: dict[str, Case] = {
    "a plain long is what the reader says": Case("long", MICROS, INSTANT, NEW_YEAR),
    "a plain int too": Case("int", 1_000_000, INSTANT, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    "micros are micros": Case(INSTANT, MICROS, INSTANT, NEW_YEAR),
    "millis are converted, as both name a unit": Case(
        of("long", "timestamp-millis"), MICROS // 1000, INSTANT, NEW_YEAR, "1970-01-21T10:53:45.600Z"
    ),
    "nanos are converted": Case(
        of("long", "timestamp-nanos"), MICROS * 1000, INSTANT, NEW_YEAR, "+57971-02-25T00:00:00Z"
    ),
    "an unknown logical type is ignored": Case(of("long", "fortnights"), MICROS, INSTANT, NEW_YEAR),
    "a local time has no zone": Case(of("long", "local-timestamp-micros"), MICROS, INSTANT, REFUSED, NEW_YEAR),
    "a date is no instant": Case(of("int", "date"), 20_454, INSTANT, REFUSED, "1970-01-01T00:00:00.020454Z"),
    "a number of a reader that names no unit": Case(of("long", "timestamp-millis"), 7, "long", 7),
    "an instant in a union": Case(["null", "long"], MICROS, ["null", INSTANT], NEW_YEAR),
    "no instant in a union": Case(["null", "long"], None, ["null", INSTANT], None),
    "instants in a list": Case(
        {"type": "array", "items": "long"}, [0], {"type": "array", "items": INSTANT}, [datetime(1970, 1, 1, tzinfo=UTC)]
    ),
    "int to long": Case("int", 3, "long", 3),
    "int to double": Case("int", 3, "double", 3.0),
    "long to double": Case("long", 2**53 + 1, "double", 9007199254740992.0, "9.007199254740992E15"),
    "long to float": Case("long", 3, "float", 3.0),
    "float to double": Case("float", 0.5, "double", 0.5),
    "long is not int": Case("long", 3, "int", REFUSED),
    "double is not long": Case("double", 3.0, "long", REFUSED),
    "text to bytes": Case("string", "né", "bytes", "né".encode()),
    "bytes to text": Case("bytes", "né".encode(), "string", "né"),
    "bytes that are no text": Case("bytes", b"\xff", "string", REFUSED, "\ufffd"),
    "text is no number": Case("string", "3", "long", REFUSED),
    "a symbol that the reader does not know": Case(
        enum("A", "B"), "B", enum("UNKNOWN", "A", default="UNKNOWN"), "UNKNOWN"
    ),
    "the same without a default": Case(enum("A", "B"), "B", enum("A"), REFUSED),
    "symbols in another order": Case(enum("A", "B"), "B", enum("B", "A"), "B"),
    "a branch that the reader lacks, in use": Case(["null", "long", "string"], "s", ["null", "long"], REFUSED),
    "a branch that the reader lacks, not in use": Case(["null", "long", "string"], 5, ["null", "long"], 5),
    "a branch in the place of a union": Case(["null", "string"], "s", "string", "s"),
    "null in the place of a value": Case(["null", "string"], None, "string", REFUSED),
    "a value in the place of a union": Case("string", "s", ["null", "string"], "s"),
    "a promoted value in the place of a union": Case("int", 5, ["null", "double"], 5.0),
    "a decimal": Case(TWO, Decimal("1.23"), TWO, Decimal("1.23")),
    "a decimal of another scale": Case(TWO, Decimal("1.23"), THREE, REFUSED, "0.123"),
    "plain bytes as a decimal": Case("bytes", b"\x7b", THREE, Decimal("0.123")),
    "a decimal is no text": Case(TWO, Decimal("0.53"), "string", REFUSED, "5"),
    "a part with more and other fields": Case(INNER, {"a": 2}, GROWN, {"b": "x", "a": 2.0}),
    "a field that was renamed, with an alias": Case(
        INNER, {"a": 2}, part("P", {"name": "c", "type": "long", "aliases": ["a"]}), {"c": 2}
    ),
    "a field that is missing, without a default": Case(
        INNER, {"a": 2}, part("P", {"name": "c", "type": "long"}), REFUSED
    ),
    "a part of another namespace": Case({**INNER, "namespace": "acme"}, {"a": 2}, INNER, {"a": 2}),
    "a part of another name": Case({**INNER, "name": "Q"}, {"a": 2}, INNER, REFUSED, {"a": 2}),
    "a map": Case(
        {"type": "map", "values": "int"}, {"k": 1}, {"type": "map", "values": "double"}, {"k": 1.0}, "{k=1.0}"
    ),
}


def around(type_: Any) -> dict[str, Any]:
    """A record with the field `f`, between two that the reader does not have."""
    rest = {"type": "array", "items": {"type": "map", "values": ["null", "string", "double"]}}
    return part("R", {"name": "before", "type": rest}, {"name": "f", "type": type_}, {"name": "behind", "type": rest})


def written(case: Case) -> bytes:
    body = io.BytesIO()
    rest = [{"k": None, "l": "text"}, {"m": 0.5}]
    fastavro.schemaless_writer(body, around(case.writer), {"before": rest, "f": case.value, "behind": rest})
    return body.getvalue()


def read(case: Case) -> Any:
    names: dict[str, Any] = {}
    parsed = fastavro.parse_schema(around(case.writer), named_schemas=names)
    try:
        return resolved(parsed, names, part("R", {"name": "f", "type": case.reader}))(written(case))["f"]
    except ValueError:
        return REFUSED


@pytest.mark.parametrize("name", CASES)
def test_a_contract_of_others_is_read_as_the_specification_says(name: str) -> None:
    ours = read(CASES[name])
    assert ours == CASES[name].ours and type(ours) is type(CASES[name].ours)


@pytest.fixture(scope="module")
def of_java() -> dict[str, str]:
    """What Java's Avro makes of all cases."""
    if not shutil.which("javac"):
        pytest.skip("this machine has a Java runtime without a compiler")
    if not JARS.exists():
        try:
            words = ["dependency:copy-dependencies", "-DoutputDirectory={into}"]
            maven(HERE / "pom.xml", words, JARS, "fetching Java's Avro through Maven, once (about 6 MB) …")
        except NoMaven as why:
            pytest.skip(str(why))
    lines = [
        "\t".join(
            [
                json.dumps(around(case.writer)),
                json.dumps(part("R", {"name": "f", "type": case.reader})),
                base64.b64encode(written(case)).decode(),
            ]
        )
        for case in CASES.values()
    ]
    command = [java(), "-cp", f"{JARS}{os.sep}*", str(HERE / "Resolve.java")]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=300, check=True)
    return dict(zip(CASES, done.stdout.splitlines(), strict=True))


def as_java(value: Any) -> str:
    """As Java prints it."""
    match value:
        case str() | Decimal():
            return str(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case bytes():
            return value.hex()
        case dict():
            return json.dumps(value)
        case list():
            return f"[{', '.join(map(as_java, value))}]"
    return "null" if value is None else str(value)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CASES)
def test_java_reads_the_same_but_for_what_is_written_down(name: str, of_java: dict[str, str]) -> None:
    case = CASES[name]
    assert of_java[name] == as_java(case.ours if case.java is ... else case.java)


# -- through the wire


def told(schema: Any, body: Any) -> Record:
    """A usage event written with somebody's contract of id 7."""
    event = UsageRecorded(id="1", source="t", time=NEW_YEAR, user="u1", meter="m", quantity="1")
    value = io.BytesIO()
    fastavro.schemaless_writer(value, schema, body)
    return encode(event)._replace(value=FRAME.pack(0, 7) + value.getvalue())


def usage(*fields: Any, **more: Any) -> dict[str, Any]:
    known = [{"name": name, "type": "string"} for name in ("meter", "quantity")]
    return {"type": "record", "name": "UsageRecorded", "namespace": "acme", "fields": [*known, *fields], **more}


BODY = {"meter": "m", "quantity": "1"}


@pytest.mark.parametrize("type_", ["long", ["null", "long"], INSTANT])
def test_a_time_that_is_a_plain_number_of_microseconds_is_that_time(type_: Any) -> None:
    schema = usage({"name": "occurred_at", "type": type_})
    record = told(schema, BODY | {"occurred_at": MICROS})
    event = decode(*record, lambda _: Foreign(7, [json.dumps(schema)]))
    assert isinstance(event, UsageRecorded) and event.occurred_at == NEW_YEAR


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"string"', "no record"),
        ('["null", "string"]', "no record"),
        ('{"type": "array", "items": "long"}', "no record"),
        ("syntax = proto3;", "cannot be parsed"),
        ('{"type": "object", "properties": {}}', "cannot be parsed"),
        ("[" * 100_000, "cannot be parsed"),
        (json.dumps({**usage(), "name": "Other"}), "Other is not UsageRecorded"),
        (json.dumps(usage({"name": "meter", "type": "long"})), "cannot be parsed|long cannot be read"),
        (json.dumps({**usage(), "fields": [{"name": "meter", "type": "string"}]}), "quantity: is not written"),
        (json.dumps({**usage(), "fields": [{"name": "meter", "type": "string"}, {"name": "quantity", "type": TWO}]}),
         "decimal in bytes"),
    ],
)  # fmt: skip
def test_a_contract_that_cannot_be_read_makes_its_events_malformed_with_a_sentence(text: str, says: str) -> None:
    record = told(usage(), BODY)
    with pytest.raises(Malformed, match=says):
        decode(*record, lambda _: Foreign(7, [text]))


def test_a_contract_that_refers_to_others_is_read() -> None:
    where = json.dumps(part("Where", {"name": "city", "type": "string"}, namespace="acme"))
    who = json.dumps(part("Who", {"name": "at", "type": ["null", "acme.Where"]}, namespace="acme"))
    text = json.dumps(usage({"name": "by", "type": "acme.Who"}, {"name": "at", "type": "Where"}))
    names: dict[str, Any] = {}
    for schema in (where, who):
        fastavro.parse_schema(json.loads(schema), named_schemas=names)
    parsed = fastavro.parse_schema(json.loads(text), named_schemas=names)
    record = told(parsed, BODY | {"by": {"at": {"city": "Bonn"}}, "at": {"city": "Ulm"}})
    assert decode(*record, lambda _: Foreign(7, [where, who, text])).body()["quantity"] == "1"


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_an_event_or_malformed(body: bytes) -> None:
    node = part(
        "Node", {"name": "next", "type": ["null", "Node"]}, {"name": "all", "type": {"type": "array", "items": "null"}}
    )
    schema = usage({"name": "tree", "type": node}, {"name": "occurred_at", "type": "long"})
    record = encode(UsageRecorded(id="1", source="t", time=NEW_YEAR, user="u1", meter="m", quantity="1"))
    foreign = Foreign(7, [json.dumps(schema)])
    with contextlib.suppress(Malformed):
        decode(*record._replace(value=FRAME.pack(0, 7) + body), lambda _: foreign)


def test_our_own_contract_read_as_somebodys_is_the_same_event() -> None:
    event = UsageRecorded(id="1", source="t", time=NEW_YEAR, user="u1", meter="m", quantity="1", occurred_at=NEW_YEAR)
    ours = encode(event)
    theirs = ours._replace(value=FRAME.pack(0, 7) + ours.value[FRAME.size :])
    assert decode(*theirs, lambda _: Foreign(7, [json.dumps(contract(UsageRecorded))])) == event
