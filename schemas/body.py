"""Reading Avro's binary encoding: numbers, lengths, lists and maps, each bounded by the bytes that are there."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

Read = Callable[["Body"], Any]


class Body:
    """Bytes, and how far they were read. Raises IndexError or ValueError behind their end."""

    __slots__ = ("at", "raw")

    def __init__(self, raw: bytes, at: int) -> None:
        self.raw, self.at = raw, at

    def long(self) -> int:
        n = shift = 0
        while shift < 70:
            byte = self.raw[self.at]
            self.at += 1
            n |= (byte & 127) << shift
            if byte < 128:
                return (n >> 1) ^ -(n & 1)
            shift += 7
        raise ValueError("a number has more than 64 bits")

    def short(self) -> int:
        n = self.long()
        if not -(2**31) <= n < 2**31:
            raise ValueError("a number has more than 32 bits")
        return n

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.raw) - self.at:
            raise ValueError("a length is negative or beyond the end")
        self.at += size
        return self.raw[self.at - size : self.at]

    def bytes(self) -> bytes:
        return self.take(self.long())

    def items(self) -> int:
        """How many follow in this block of a list or map. Each is a byte or more here, so more than bytes is a lie."""
        n = self.long()
        if n < 0:
            self.long()
            n = -n
        if n > len(self.raw) - self.at:
            raise ValueError("a list is longer than its bytes")
        return n


PRIMITIVES: dict[str, Read] = {
    "null": lambda body: None,
    "boolean": lambda body: (False, True)[body.take(1)[0]],
    "int": Body.short,
    "long": Body.long,
    "float": lambda body: struct.unpack("<f", body.take(4))[0],
    "double": lambda body: struct.unpack("<d", body.take(8))[0],
    "bytes": Body.bytes,
    "string": lambda body: body.bytes().decode(),
}
PROMOTIONS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("int", "long"): int,
    ("int", "float"): float,
    ("int", "double"): float,
    ("long", "float"): float,
    ("long", "double"): float,
    ("float", "double"): float,
    ("string", "bytes"): str.encode,
    ("bytes", "string"): bytes.decode,
}


def list_of(item: Read) -> Read:
    def read(body: Body) -> list[Any]:
        values: list[Any] = []
        while n := body.items():
            values.extend([item(body) for _ in range(n)])
        return values

    return read


def map_of(item: Read) -> Read:
    def read(body: Body) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while n := body.items():
            for _ in range(n):
                name = body.bytes().decode()
                values[name] = item(body)
        return values

    return read


def branch_of(branches: list[Read]) -> Read:
    def read(body: Body) -> Any:
        n = body.long()
        if not 0 <= n < len(branches):
            raise ValueError("no such branch of a union")
        return branches[n](body)

    return read
