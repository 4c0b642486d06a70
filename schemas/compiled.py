"""Decoders compiled from contracts: Python source, written field by field from an Avro schema, then compiled.

A general reader walks the schema for each record anew; this one has walked it once. Apache Avro 1.12 binary encoding,
read with the schema that it was written with: no resolution, no aliases, no recursion.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

Decoder = Callable[[bytes], Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIXED = {"double": ("<d", 8), "float": ("<f", 4)}


class Uncompiled(TypeError):
    """A schema holds what this compiler does not know; read it with a general reader."""


def decoder(schema: Mapping[str, Any], made: Callable[..., Any] | None = None, start: int = 0) -> Decoder:
    """From bytes to the record that begins at `start`: `made(*fields, in order)`, or a dictionary.

    The decoder raises an Exception of whatever kind when the bytes are not exactly one such record.
    """
    writer = _Writer()
    value = writer.record(schema, top=made is not None)
    body = "\n    ".join(writer.lines)
    source = f"def decode(b, i={start}):\n    {body}\n    if i != len(b):\n        raise ValueError('bytes are missing or left over')\n    return {value}\n"
    known: dict[str, Any] = {**HELP, **writer.constants, "made": made}
    exec(compile(source, f"<decoder of {schema['name']}>", "exec"), known)  # noqa: S102  (our own contract, our own text)
    compiled: Decoder = known["decode"]
    return compiled


def _varint(b: bytes, i: int) -> tuple[int, int]:
    """An unsigned number, and the index behind it."""
    n = shift = 0
    while shift < 70:
        byte = b[i]
        i += 1
        n |= (byte & 127) << shift
        if byte < 128:
            return n, i
        shift += 7
    raise ValueError("a number has more than 64 bits")


# Most numbers have one byte: what it means, or None where more has to be looked at.
LONGS = [(n >> 1) ^ -(n & 1) if n < 128 else None for n in range(256)]
LENGTHS = [n >> 1 if n < 128 and not n & 1 else None for n in range(256)]
HELP = {"LONGS": LONGS, "LENGTHS": LENGTHS, "varint": _varint, "EPOCH": EPOCH, "timedelta": timedelta}


class _Writer:
    """Writes statements that read from `b` at `i`; each method returns the expression of what was read."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self._depth = 0
        self._fresh = map("v{}".format, count())
        self._named: dict[str, Mapping[str, Any]] = {}
        self._inside: list[str] = []

    def record(self, schema: Mapping[str, Any], top: bool = False) -> str:
        name = schema["name"]
        if name in self._inside:
            raise Uncompiled(f"{name} contains itself")
        self._named[name] = schema
        self._inside.append(name)
        fields = {field["name"]: self._value(field["type"]) for field in schema["fields"]}
        self._inside.pop()
        return (
            f"made({', '.join(fields.values())})"
            if top
            else f"{{{', '.join(f'{k!r}: {v}' for k, v in fields.items())}}}"
        )

    def _value(self, schema: Any) -> str:
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, str) and (known := self._named.get(schema.rpartition(".")[2])):
            schema = known
        kind, logical = (schema["type"], schema.get("logicalType")) if isinstance(schema, Mapping) else (schema, None)
        match kind, logical:
            case "string", None:
                return self._bytes(".decode()")
            case "bytes", None:
                return self._bytes("")
            case (("long" | "int"), None):
                return self._long()
            case "long", "timestamp-micros":
                return self._put(f"EPOCH + timedelta(microseconds={self._long()})")
            case "boolean", None:
                self._line("i += 1")
                return self._put("(False, True)[b[i - 1]]")
            case (("double" | "float"), None):
                return self._fixed(*FIXED[kind])
            case "null", None:
                return "None"
            case "enum", None:
                self._named[schema["name"]] = schema
                return self._put(f"{self._constant(tuple(schema['symbols']))}[{self._length()}]")
            case "array", None:
                return self._blocks("[]", lambda into: f"{into}.append({self._value(schema['items'])})")
            case "map", None:
                return self._blocks(
                    "{}", lambda into: f"{into}[{self._bytes('.decode()')}] = {self._value(schema['values'])}"
                )
            case "record", None:
                return self._put(self.record(schema))
        raise Uncompiled(f"{kind} {logical or ''} is not compiled")

    def _union(self, branches: list[Any]) -> str:
        at, value = self._length(), next(self._fresh)
        for n, branch in enumerate(branches):
            self._line(f"{'if' if n == 0 else 'elif'} {at} == {n}:")
            self._depth += 1
            self._line(f"{value} = {self._value(branch)}")
            self._depth -= 1
        self._line("else:")
        self._line("    raise ValueError('no such branch of a union')")
        return value

    def _blocks(self, empty: str, item: Callable[[str], str]) -> str:
        """An array or a map. Every item has at least one byte, so a count beyond the bytes is a lie."""
        into = self._put(empty)
        self._line("while True:")
        self._depth += 1
        size = self._long()
        self._line(f"if not {size}:")
        self._line("    break")
        self._line(f"if {size} < 0:")
        self._depth += 1
        self._long()
        self._line(f"{size} = -{size}")
        self._depth -= 1
        self._line(f"if {size} > len(b) - i:")
        self._line("    raise ValueError('a list is longer than its bytes')")
        self._line(f"for _ in range({size}):")
        self._depth += 1
        self._line(item(into))
        self._depth -= 2
        return into

    def _long(self) -> str:
        return self._number("LONGS")

    def _length(self) -> str:
        """A number that cannot be negative."""
        n = self._number("LENGTHS")
        self._line(f"    if {n} < 0:")  # of more than one byte, or of one that is odd
        self._line("        raise ValueError('a length is negative')")
        return n

    def _number(self, table: str) -> str:
        """Two and three bytes are read on the spot: calling a function takes as long as all else."""
        n = next(self._fresh)
        for line in (
            f"{n} = {table}[b[i]]",
            "i += 1",
            f"if {n} is None:",
            "    if (two := b[i]) < 128:",
            "        n = b[i - 1] & 127 | two << 7",
            "        i += 1",
            "    elif (three := b[i + 1]) < 128:",
            "        n = b[i - 1] & 127 | (two & 127) << 7 | three << 14",
            "        i += 2",
            "    else:",
            "        n, i = varint(b, i - 1)",
            f"    {n} = (n >> 1) ^ -(n & 1)",
        ):
            self._line(line)
        return n

    def _bytes(self, decoded: str) -> str:
        end = self._length()
        self._line(f"{end} += i")
        value = self._put(f"b[i:{end}]{decoded}")
        self._line(f"i = {end}")
        return value

    def _fixed(self, form: str, size: int) -> str:
        unpack = self._constant(struct.Struct(form).unpack_from)
        value = self._put(f"{unpack}(b, i)[0]")
        self._line(f"i += {size}")
        return value

    def _put(self, expression: str) -> str:
        name = next(self._fresh)
        self._line(f"{name} = {expression}")
        return name

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)
