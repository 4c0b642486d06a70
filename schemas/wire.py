"""How an event travels: Avro in Confluent framing, CloudEvents 1.0 binary headers, the person as the key.

Kafka protocol binding for CloudEvents 1.0.2; Confluent wire format: a zero byte, the schema id in four, the Avro body.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

import fastavro
from pydantic import ValidationError

from schemas import EVENTS
from schemas.compiled import decoder
from schemas.event import Event, Malformed, Part
from schemas.extensions import NONE, Extensions
from schemas.foreign import Foreign
from schemas.frozen import FIRST_ID, Frozen, frozen, latest

MAGIC = 0
FRAME = struct.Struct(">bI")
CLASSES: dict[str, type[Event]] = {event.ce_type(): event for event in EVENTS}
REQUIRED = ("ce_id", "ce_source", "ce_type", "ce_time")
READ = {*REQUIRED, "ce_tenant", "ce_subject"}

Headers = list[tuple[str, bytes]]
Lookup = Callable[[int], Foreign | None]  # schema id -> contract of a foreign registry, or None; may raise Unknown


class Unknown(Malformed):
    """A type of event or a contract is not known to this process; whoever has newer knowledge says whether it exists."""

    def __init__(self, sentence: str, ce_type: str = "", schema_id: int = 0) -> None:
        super().__init__(sentence)
        self.ce_type, self.schema_id = ce_type, schema_id


class Record(NamedTuple):
    """What is put on a topic."""

    key: bytes
    value: bytes
    headers: Headers


def encode(event: Event, trace: str = "", extensions: Extensions = NONE) -> Record:
    """The record of an event; `trace` is a W3C traceparent, `extensions` are what its sender added for others."""
    contract = _latest(type(event))
    frame = io.BytesIO()
    frame.write(FRAME.pack(MAGIC, contract.id))
    fastavro.schemaless_writer(frame, _writer(contract.id), _plain(event.body()))
    return Record(event.key.encode(), frame.getvalue(), headers(event, trace, extensions))


def headers(event: Event, trace: str = "", extensions: Extensions = NONE) -> Headers:
    texts = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": event.source,
        "ce_type": event.ce_type(),
        "ce_time": event.time.astimezone(UTC).isoformat(),
        "ce_tenant": event.tenant,
        "ce_subject": event.user,
        "content-type": "application/avro",
    }
    texts |= {f"ce_{name}": value for name, value in extensions.items()}
    texts |= {"traceparent": trace} if trace else {}
    return [(name, value.encode()) for name, value in texts.items()]


def decode(
    key: bytes | None,
    value: bytes | None,
    said: Iterable[tuple[str, bytes | None]] | None,
    foreign: Lookup = lambda _: None,
) -> Event:
    """The event of a record. Raises Malformed with a sentence for whoever sent it.

    It is Unknown where a newer release, or a registry that has not been asked yet, may know the type or the contract.
    """
    envelope = _envelope(said or ())
    event = CLASSES.get(envelope["ce_type"])
    if event is None:
        raise Unknown(
            f"type {envelope['ce_type'][:80]!r} is not known; known are {', '.join(sorted(CLASSES))}",
            ce_type=envelope["ce_type"],
        )
    made = _made(event, envelope, _body(event, value, foreign))
    if key != made.key.encode():
        raise Malformed("the key differs from tenant and subject; it must be '<ce_tenant>/<ce_subject>'")
    return made


def _envelope(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The headers that make the event. Others, extensions among them, are their senders' and stay as they are."""
    try:
        envelope = {name: (value or b"").decode() for name, value in headers if name in READ}
    except UnicodeDecodeError:
        raise Malformed(f"a header is not UTF-8; {', '.join(sorted(READ))} must be") from None
    if missing := [name for name in REQUIRED if not envelope.get(name)]:
        raise Malformed(
            f"the header{'s' if len(missing) > 1 else ''} {', '.join(missing)} must be there (CloudEvents binary mode)"
        )
    return envelope


def _body(event: type[Event], value: bytes | None, foreign: Lookup) -> Any:
    if not value or len(value) < FRAME.size:
        raise Malformed("the value is empty; it must be Avro in Confluent framing")
    magic, schema_id = FRAME.unpack_from(value)
    if magic != MAGIC:
        raise Malformed(f"the value starts with byte {magic}, not 0; it must be Avro in Confluent framing")
    known = schema_id in _published()  # asked first, so that nobody fills the cache with ids that do not exist
    read = _reader(event, schema_id) if known else _foreign(event, schema_id, foreign)
    try:
        return read(value)
    except Exception as wrong:
        raise Malformed(f"the value cannot be read with schema {schema_id}: {wrong or type(wrong).__name__}") from None


def _made(event: type[Event], envelope: Mapping[str, str], body: Any) -> Event:
    try:
        return event(
            id=envelope["ce_id"],
            source=envelope["ce_source"],
            time=_time(envelope["ce_time"]),
            tenant=envelope.get("ce_tenant") or "main",
            user=envelope.get("ce_subject", ""),
            **body,
        )
    except ValidationError as wrong:
        raise Malformed("; ".join(sentences(wrong))) from None


def sentences(wrong: ValidationError) -> list[str]:
    """What a validation found, without the values, which may be private."""
    return [
        f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
        for error in wrong.errors(include_input=False, include_url=False)
    ]


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("ce_time is not an RFC 3339 time") from None
    if time.tzinfo is None:
        raise Malformed("ce_time has no zone; end it with Z")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise Malformed("ce_time lies outside the years 1 to 9999") from None


_latest = cache(latest)


@cache
def _writer(schema_id: int) -> Any:
    return fastavro.parse_schema(dict(_published()[schema_id].schema))


@cache
def _published() -> dict[int, Frozen]:
    return {one.id: one for one in frozen()}


@cache
def _reader(event: type[Event], schema_id: int) -> Callable[[bytes], Any]:
    """A reader of one of our own contracts: all versions of an event read each other, by addition only."""
    written = _published()[schema_id]
    if written.record != event.__name__:
        raise Malformed(f"schema {schema_id} describes {written.record}, and the header ce_type says {event.ce_type()}")
    return decoder(written.schema, start=FRAME.size)


def _foreign(event: type[Event], schema_id: int, foreign: Lookup) -> Callable[[bytes], Any]:
    """A reader of a contract of somebody else's registry, by the rules of schema resolution."""
    sentence = f"schema {schema_id} is not known here; use one of this registry, or configure the one that has it"
    if schema_id >= FIRST_ID:
        raise Unknown(sentence, schema_id=schema_id)
    contract = foreign(schema_id)
    if contract is None:
        raise Malformed(sentence)
    return contract.reader(event, _latest(event).schema, FRAME.size)


def _plain(value: Any) -> Any:
    """Values as fastavro takes them: parts as dicts, enums by name."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, Part):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    return value.name if isinstance(value, Enum) else value
