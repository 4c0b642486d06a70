"""Readers of contracts that others wrote: schema resolution as the Apache Avro 1.12 specification has it.

A reader is put together once for a pair of contracts, then reads any number of bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from schemas.body import PRIMITIVES, PROMOTIONS, Body, Read, branch_of, list_of, map_of
from schemas.meaning import Unresolvable, as_value, meant_by, promoted
from schemas.shape import definitions, full_name, kind, short_name, stands_for

__all__ = ["Unresolvable", "resolved"]


def resolved(writer: Any, names: Mapping[str, Any], reader: Any, start: int = 0) -> Callable[[bytes], Any]:
    """From bytes to the reader's value, which begins at `start` and ends with them. Raises Unresolvable.

    Both are parsed: named types have full names, and those that a contract only names are in `names` or written out
    in it before. What it returns raises an Exception of whatever kind for bytes that are no such value.
    """
    read = _Resolver(names, definitions(reader)).value(writer, reader, short_name(reader))

    def whole(raw: bytes) -> Any:
        body = Body(raw, start)
        value = read(body)
        if body.at != len(raw):
            raise ValueError("bytes follow after it")
        return value

    return whole


class _Resolver:
    """Puts readers together, of one pair of contracts. `place` is where a sentence points to."""

    def __init__(self, writers: Mapping[str, Any], readers: Mapping[str, Any]) -> None:
        self._writers, self._readers = writers, readers
        self._pairs: dict[tuple[str, str], list[Read]] = {}  # records under way, so that one may contain itself
        self._skips: dict[str, list[Read]] = {}

    def value(self, writer: Any, reader: Any, place: str) -> Read:
        writer, reader = stands_for(writer, self._writers), stands_for(reader, self._readers)
        if isinstance(writer, list):
            return self._any_of(writer, reader, place)
        if isinstance(reader, list):
            return self._first_of(writer, reader, place)
        kinds = kind(writer), kind(reader)
        match kinds:
            case ("record", "record"):
                return self._record(writer, reader, place)
            case ("enum", "enum"):
                return _enum(writer, reader, place)
            case ("array", "array"):
                return list_of(self.value(writer["items"], reader["items"], place))
            case ("map", "map"):
                return map_of(self.value(writer["values"], reader["values"], place))
            case ("fixed", "fixed") if writer["size"] == reader["size"]:
                _same_name(writer, reader, place)
                return meant_by(lambda body, size=writer["size"]: body.take(size), writer, reader, place)  # type: ignore[misc]
        if kinds[0] == kinds[1] and kinds[0] in PRIMITIVES:
            return meant_by(PRIMITIVES[kinds[0]], writer, reader, place)
        if kinds in PROMOTIONS:
            return meant_by(promoted(kinds, writer, place), writer, reader, place)
        raise Unresolvable(f"{place}: {kinds[0]} cannot be read as {kinds[1]}")

    def _any_of(self, writers: list[Any], reader: Any, place: str) -> Read:
        """A branch that cannot be read matters only when a value is of it."""
        return branch_of([self._attempt(branch, reader, place) for branch in writers])

    def _attempt(self, writer: Any, reader: Any, place: str) -> Read:
        try:
            return self.value(writer, reader, place)
        except Unresolvable as wrong:
            sentence = str(wrong)

        def refuse(body: Body) -> Any:
            raise Unresolvable(sentence)

        return refuse

    def _first_of(self, writer: Any, readers: list[Any], place: str) -> Read:
        for branch in readers:
            try:
                return self.value(writer, branch, place)
            except Unresolvable:
                continue
        kinds = ", ".join(kind(stands_for(branch, self._readers)) for branch in readers)
        raise Unresolvable(f"{place}: {kind(writer)} cannot be read as any of {kinds}")

    def _record(self, writer: Any, reader: Any, place: str) -> Read:
        _same_name(writer, reader, place)
        key = writer["name"], full_name(reader)
        if key in self._pairs:
            made = self._pairs[key]
            return lambda body: made[0](body)
        made = self._pairs[key] = []
        made.append(self._fields(writer, reader, place))
        return made[0]

    def _fields(self, writer: Any, reader: Any, place: str) -> Read:
        into = _targets(writer, reader)
        steps: list[tuple[str | None, Read]] = []
        for field in writer["fields"]:
            target = into.get(field["name"])
            if target is None:
                steps.append((None, self.skip(field["type"])))
            else:
                name = target["name"]
                steps.append((name, self.value(field["type"], target["type"], f"{place}.{name}")))
        there = {name for name, _ in steps}
        missing = [field for field in reader["fields"] if field["name"] not in there]
        defaults = {field["name"]: self._default(field, place) for field in missing}

        def read(body: Body) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for name, step in steps:
                value = step(body)
                if name is not None:
                    values[name] = value
            return values | deepcopy(defaults) if defaults else values

        return read

    def _default(self, field: Any, place: str) -> Any:
        if "default" not in field:
            raise Unresolvable(f"{place}.{field['name']}: is not written, and has no default")
        return self._from_json(field["type"], field["default"])

    def _from_json(self, type_: Any, value: Any) -> Any:
        """A default as a value: records are complete, bytes are bytes, times are times."""
        type_ = stands_for(type_, self._readers)
        if isinstance(type_, list):
            type_ = next((branch for branch in type_ if (kind(branch) == "null") == (value is None)), type_[0])
            return self._from_json(type_, value) if not isinstance(type_, list) else value
        match kind(type_):
            case "record":
                parts = {field["name"]: field for field in type_["fields"]}
                return {name: self._from_json(part["type"], value.get(name, part.get("default")))
                        for name, part in parts.items()}  # fmt: skip
            case "array":
                return [self._from_json(type_["items"], item) for item in value]
            case "map":
                return {name: self._from_json(type_["values"], item) for name, item in value.items()}
            case "bytes" | "fixed":
                value = value.encode("latin-1")
            case "float" | "double":
                value = float(value)
        return as_value(type_)(value)

    def skip(self, writer: Any) -> Read:
        """Goes past a value that the reader does not have."""
        writer = stands_for(writer, self._writers)
        if isinstance(writer, list):
            return branch_of([self.skip(branch) for branch in writer])
        match kind(writer):
            case "record":
                return self._skip_record(writer)
            case "enum":
                return Body.long
            case "array":
                return list_of(self.skip(writer["items"]))
            case "map":
                return map_of(self.skip(writer["values"]))
            case "fixed":
                return lambda body, size=writer["size"]: body.take(size)  # type: ignore[misc]
            case "string":
                return Body.bytes
            case primitive if primitive in PRIMITIVES:
                return PRIMITIVES[primitive]
        raise Unresolvable(f"{kind(writer)} is no type of Avro")

    def _skip_record(self, writer: Any) -> Read:
        if writer["name"] in self._skips:
            made = self._skips[writer["name"]]
            return lambda body: made[0](body)
        made = self._skips[writer["name"]] = []
        steps = [self.skip(field["type"]) for field in writer["fields"]]

        def read(body: Body) -> None:
            for step in steps:
                step(body)

        made.append(read)
        return read


def _targets(writer: Any, reader: Any) -> dict[str, Any]:
    """The reader's field of each of the writer's: of the same name, or else by an alias."""
    written = {field["name"] for field in writer["fields"]}
    into: dict[str, Any] = {}
    for field in reader["fields"]:
        known = [field["name"], *field.get("aliases", ())]
        name = next((name for name in known if name in written), None)
        if name is not None:
            into.setdefault(name, field)
    return into


def _enum(writer: Any, reader: Any, place: str) -> Read:
    _same_name(writer, reader, place)
    known, default, written = set(reader["symbols"]), reader.get("default"), writer["symbols"]
    symbols = [symbol if symbol in known else default for symbol in written]

    def read(body: Body) -> Any:
        n = body.long()
        if not 0 <= n < len(symbols):
            raise ValueError("no such symbol of an enum")
        if symbols[n] is None:
            raise Unresolvable(f"{place}: the symbol {written[n]} is not known")
        return symbols[n]

    return read


def _same_name(writer: Any, reader: Any, place: str) -> None:
    known = {short_name(reader), *(alias.rpartition(".")[2] for alias in reader.get("aliases", ()))}
    if short_name(writer) not in known:
        raise Unresolvable(f"{place}: {kind(writer)} {short_name(writer)} is not {short_name(reader)}")
