"""How rows and positions are written to changelogs and to Redis, for those who fold and those who read.

The key of a row is `<tenant>/<user>`, or `<tenant>/<user>#<sub>` where a person has many in a table. `@<partition>`
is reserved for the position record: what of each source topic the rows of that partition contain.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from topics import Row, Table

SEPARATOR = "#"
RESERVED = "@"


class Stored(msgspec.Struct, frozen=True):
    """A row, and the newest offset of each source topic that it contains: a redelivery changes nothing."""

    seen: dict[str, int]
    row: msgspec.Raw


class PositionRow(msgspec.Struct, frozen=True):
    """What a table's partition contains: the next offset and the id of each source topic, and the newest event time."""

    next: dict[str, int] = {}
    ids: dict[str, str] = {}
    at: datetime | None = None

    def with_(self, topic: str, id: str, next: int, at: datetime | None) -> PositionRow:
        newest = max((time for time in (self.at, at) if time), default=None)
        return PositionRow({**self.next, topic: next}, {**self.ids, topic: id}, newest)


def row_key(key: str, sub: str = "") -> str:
    return f"{key}{SEPARATOR}{sub}" if sub else key


def split(row: str) -> tuple[str, str]:
    """The person's key and the sub-key, which is empty where a person has one row."""
    key, _, sub = row.partition(SEPARATOR)
    return key, sub


def position_key(partition: int) -> str:
    return f"{RESERVED}{partition}"


def write(row: msgspec.Struct, seen: dict[str, int]) -> bytes:
    return msgspec.json.encode(Stored(seen, msgspec.Raw(msgspec.json.encode(row))))


def read(table: Table[Row], stored: bytes) -> Row:
    return msgspec.json.decode(msgspec.json.decode(stored, type=Stored).row, type=table.row)


def seen_in(stored: bytes) -> dict[str, int]:
    return msgspec.json.decode(stored, type=Stored).seen
