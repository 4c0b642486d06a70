"""A contract of somebody else's registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import fastavro

from schemas.avro import Schema
from schemas.event import Event, Malformed
from schemas.resolution import Unresolvable, resolved

Reader = Callable[[bytes], Any]


class Foreign:
    """The contract, and a reader for each event that was written with it."""

    def __init__(self, schema_id: int, texts: Sequence[str]) -> None:
        """Of the schema's text, with the texts of those that it refers to before it. Raises Malformed with a sentence."""
        self.id, self._names = schema_id, dict[str, Any]()
        self._schema: Any = None
        self._readers: dict[type[Event], Reader | Malformed] = {}
        try:
            for text in texts:
                self._schema = fastavro.parse_schema(json.loads(text), named_schemas=self._names)
        except Exception as wrong:  # whatever a parser does with what is no schema
            raise Malformed(
                f"schema {schema_id} cannot be parsed as Avro: {type(wrong).__name__}: {wrong}"[:500]
            ) from None
        if not isinstance(self._schema, dict) or self._schema.get("type") != "record":
            raise Malformed(f"schema {schema_id} is no record; an event's body is one")

    def reader(self, event: type[Event], contract: Schema, start: int) -> Reader:
        """Made once for each event. Raises Malformed when what is written cannot be read as that event."""
        if event not in self._readers:
            self._readers[event] = self._made(event, contract, start)
        read = self._readers[event]
        if isinstance(read, Malformed):
            raise Malformed(str(read))
        return read

    def _made(self, event: type[Event], contract: Schema, start: int) -> Reader | Malformed:
        try:
            return resolved(self._schema, self._names, contract, start)
        except Unresolvable as wrong:
            return Malformed(f"schema {self.id} cannot be read as {event.__name__}: {wrong}")
        except RecursionError:
            return Malformed(f"schema {self.id} is nested too deeply")
