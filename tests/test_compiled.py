"""The compiled decoders read what the general reader reads, and nothing else."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.compiled import Uncompiled, decoder
from schemas.frozen import frozen

EVERYTHING: dict[str, Any] = {
    "type": "record",
    "name": "Everything",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "large", "type": "long"},
        {"name": "share", "type": "double"},
        {"name": "single", "type": "float"},
        {"name": "text", "type": "string"},
        {"name": "raw", "type": "bytes"},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "tier", "type": {"type": "enum", "name": "Tier", "symbols": ["UNKNOWN", "GOLD"]}},
        {"name": "again", "type": ["string", "Tier", "null", "long"]},
        {"name": "tags", "type": {"type": "map", "values": "long"}},
        {"name": "parts", "type": {"type": "array", "items": {
            "type": "record", "name": "Piece", "fields": [{"name": "names", "type": {"type": "array", "items": "string"}}],
        }}},
    ],
}  # fmt: skip
CONTRACTS = [*(one.schema for one in frozen()), EVERYTHING]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def values(schema: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema describes, as fastavro takes them."""
    if isinstance(schema, list):
        return st.one_of([values(branch, named) for branch in schema])
    if isinstance(schema, str) and schema.rpartition(".")[2] in named:
        schema = named[schema.rpartition(".")[2]]
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(schema, dict) and "name" in schema:
        named[schema["name"]] = schema
    if isinstance(schema, dict) and "logicalType" in schema:
        return st.integers(-(10**15), 10**15).map(lambda n: EPOCH + timedelta(microseconds=n))
    match kind:
        case "record":
            return st.fixed_dictionaries({f["name"]: values(f["type"], named) for f in schema["fields"]})
        case "array":
            return st.lists(values(schema["items"], named), max_size=4)
        case "map":
            return st.dictionaries(st.text(max_size=5), values(schema["values"], named), max_size=4)
        case "enum":
            return st.sampled_from(schema["symbols"])
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "double": st.floats(allow_nan=False),
        "float": st.floats(width=32, allow_nan=False),
        "string": st.text(max_size=200),
        "bytes": st.binary(max_size=200),
    }[kind]


def written(schema: Any, value: Any) -> bytes:
    into = io.BytesIO()
    fastavro.schemaless_writer(into, fastavro.parse_schema(dict(schema)), value)
    return into.getvalue()


def read(schema: Any, raw: bytes) -> Any:
    """As the general reader reads exactly one record."""
    source = io.BytesIO(raw)
    value = fastavro.schemaless_reader(source, fastavro.parse_schema(dict(schema)), None)
    assert not source.read(1)
    return value


@pytest.mark.parametrize("schema", CONTRACTS, ids=lambda schema: schema["name"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_was_written_is_read_as_the_general_reader_reads_it(schema: Any, data: st.DataObject) -> None:
    raw = written(schema, data.draw(values(schema, {})))
    assert decoder(schema)(raw) == read(schema, raw)
    assert decoder(schema, start=5)(b"\0\0\0\0\0" + raw) == read(schema, raw)


@pytest.mark.parametrize("schema", CONTRACTS, ids=lambda schema: schema["name"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_alike(schema: Any, data: st.DataObject) -> None:
    raw = bytearray(written(schema, data.draw(values(schema, {}))))
    if raw and data.draw(st.booleans()):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = bytes(raw[: data.draw(st.integers(0, len(raw)))]) + data.draw(st.binary(max_size=3))
    try:
        found = decoder(schema)(damaged)
    except Exception:
        return
    assert repr(found) == repr(read(schema, damaged))  # as text: not a number equals nothing


def test_a_list_that_claims_more_than_there_is_is_refused_at_once() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "string"}}]}
    with pytest.raises(ValueError, match="longer than its bytes"):
        decoder(schema)(b"\xfe\xff\xff\xff\xff\xff\x7f\0")


def test_a_typed_value_is_made_of_the_fields_in_order() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}
    assert decoder(schema, lambda a, b: (b, a))(written(schema, {"a": -70, "b": "ü"})) == ("ü", -70)


def test_what_is_not_compiled_is_refused_by_name() -> None:
    tree = {"type": "record", "name": "Tree", "fields": [{"name": "left", "type": ["null", "Tree"]}]}
    fixed = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "a", "type": {"type": "fixed", "name": "F", "size": 2}}],
    }
    with pytest.raises(Uncompiled, match="Tree contains itself"):
        decoder(tree)
    with pytest.raises(Uncompiled, match="fixed"):
        decoder(fixed)
