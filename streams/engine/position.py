"""The position record: what a table's partition contains. It is written in every transaction, and a worker starts there.

Its key is `@<partition>`, in the same changelog partition as the rows, so that both are there or neither is.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """The next offset and the id of every source topic, and the time of the newest record."""

    next: dict[str, int] = {}
    ids: dict[str, str] = {}
    at: datetime | None = None


NOWHERE = Position()


def key_of(partition: int) -> bytes:
    return b"@%d" % partition


def time_of(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 0 else None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Position).decode
