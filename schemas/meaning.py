"""Logical types: what a reader's contract means by the primitive that was written.

Where the specification leaves the meaning of a value open, it is kept or refused, never guessed (docs/topics.md has the
table). A logical type is the reader's, on top of the resolved primitive: a plain `long` is what the reader says. Where
both name a unit of time the value is converted; taken literally, milliseconds would be read as microseconds. A local
time has no zone, and a decimal read as text would lose its scale: both are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.body import PRIMITIVES, PROMOTIONS, Read
from schemas.shape import kind, logical_type

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = {"timestamp-millis": (1000, 1), "timestamp-micros": (1, 1), "timestamp-nanos": (1, 1000)}  # to µs: times, by
OTHER_TIMES = (
    "date",
    "time-millis",
    "time-micros",
    "local-timestamp-millis",
    "local-timestamp-micros",
    "local-timestamp-nanos",
)


class Unresolvable(ValueError):
    """What one contract writes cannot be read with the other; the message names the field and both types."""


def promoted(kinds: tuple[str, str], writer: Any, place: str) -> Read:
    if kinds == ("bytes", "string") and logical_type(writer) == "decimal":
        raise Unresolvable(f"{place}: a decimal in bytes cannot be read as text; write the number as text")
    read, promote = PRIMITIVES[kinds[0]], PROMOTIONS[kinds]
    return lambda body: promote(read(body))


def meant_by(read: Read, writer: Any, reader: Any, place: str) -> Read:
    """What the reader's contract means by the primitive."""
    means, meant = logical_type(reader), logical_type(writer)
    if means in INSTANTS and kind(reader) == "long":
        if meant in OTHER_TIMES:
            raise Unresolvable(f"{place}: {meant} is no instant and cannot be read as {means}")
        unit = meant if meant in INSTANTS and kind(writer) == "long" else means
        turn = as_value({"type": "long", "logicalType": unit})
        return lambda body: turn(read(body))
    if means == "decimal":
        if meant == "decimal" and _decimal_of(writer) != _decimal_of(reader):
            raise Unresolvable(f"{place}: a decimal of another precision or scale cannot be read")
        turn = as_value(reader)
        return lambda body: turn(read(body))
    return read


def as_value(type_: Any) -> Callable[[Any], Any]:
    """From a primitive's value to that of its logical type."""
    logical = logical_type(type_)
    if logical in INSTANTS and kind(type_) == "long":
        times, by = INSTANTS[logical]
        return lambda value: EPOCH + timedelta(microseconds=value * times // by)
    if logical == "decimal":
        scale = type_.get("scale", 0)
        return lambda raw: Decimal(f"{int.from_bytes(raw, 'big', signed=True)}E-{scale}")
    return lambda value: value


def _decimal_of(type_: Any) -> tuple[int, int]:
    return type_.get("precision", 0), type_.get("scale", 0)
