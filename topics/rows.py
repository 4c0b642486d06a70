"""How rows and positions stand in changelogs and in Redis, for those who fold and those who read.

The key of a row is `<tenant>/<user>`, or `<tenant>/<user>#<sub>` where a person has many in a table. `@<partition>`
is the position record, which the engine writes: what of each source topic the rows of that partition contain.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from topics import Row, Table

SEPARATOR = "#"
RESERVED = "@"


class PositionRow(msgspec.Struct, frozen=True):
    """What a table's partition contains: the next offset and the id of each source topic, and the newest event time."""

    next: dict[str, int] = {}
    ids: dict[str, str] = {}
    at: datetime | None = None


def row_key(key: str, sub: str = "") -> str:
    return f"{key}{SEPARATOR}{sub}" if sub else key


def split(row: str) -> tuple[str, str]:
    """The person's key and the sub-key, which is empty where a person has one row."""
    key, _, sub = row.partition(SEPARATOR)
    return key, sub


def write(row: msgspec.Struct) -> bytes:
    return _encode(row)


def read(table: Table[Row], stored: bytes) -> Row:
    return reader_of(table)(stored)


def reader_of(table: Table[Row]) -> Callable[[bytes], Row]:
    return msgspec.json.Decoder(table.row).decode


_encode = msgspec.json.Encoder().encode
