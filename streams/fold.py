"""A fold: a plain function from an event and rows to the events that follow. It awaits nothing and knows no Kafka.

    @fold(ANALYSES)
    def keep_trust(done: AnalysisDone, rows: Rows) -> Iterator[Event]:

Reads and writes go through `Rows`, which remembers what was written instead of doing it: a fold that raises leaves no
trace, and a record that comes again changes only the rows that do not contain it yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas import Event
from topics import Row, Table, Topic
from topics.place import Position, partition_of
from topics.rows import read, seen_in, split, write

Store = Mapping[bytes, bytes]
Fold = Callable[[Any, "Rows"], Iterable[Event] | None]


class Refused(Exception):
    """An event is well formed and cannot be taken; the message says why."""


@dataclass
class Rows:
    """The tables as one record sees them."""

    at: Position
    stores: Mapping[str, Store]
    partitions: int
    written: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    repeated: bool = False  # some row contains this record already: what follows from it was sent before

    def get(self, table: Table[Row], key: str) -> Row | None:
        """The row as it is after what this record has written so far, or None."""
        stored = self.written.get((table.name, key.encode())) or self._before(table, key)
        return read(table, stored) if stored else None

    def put(self, table: Table[Row], key: str, row: Row) -> None:
        """Writes the row, unless it contains this record already."""
        before = self._before(table, key)
        seen = seen_in(before) if before else {}
        if seen.get(self.at.topic, -1) < self.at.offset:
            self.written[table.name, key.encode()] = write(row, {**seen, self.at.topic: self.at.offset})

    def keys(self, table: Table[Any]) -> Iterator[str]:
        """The keys of the record's partition."""
        for raw in list(self.stores[table.name]):
            key = raw.decode()
            if not key.startswith("@") and partition_of(split(key)[0], self.partitions) == self.at.partition:
                yield key

    def _before(self, table: Table[Any], key: str) -> bytes | None:
        stored = self.stores[table.name].get(key.encode())
        self.repeated |= stored is not None and seen_in(stored).get(self.at.topic, -1) >= self.at.offset
        return stored


FOLDS: dict[str, list[Fold]] = defaultdict(list)


def fold(*topics: Topic) -> Callable[[Fold], Fold]:
    """Folds every event of the topics, in the order in which folds are declared."""

    def register(function: Fold) -> Fold:
        for topic in topics:
            FOLDS[topic.name].append(function)
        return function

    return register


def folded(event: Event, rows: Rows) -> list[Event]:
    """What follows from an event; the writes are in `rows`. Of a record that came again nothing follows anew."""
    follows = [caused for function in FOLDS[rows.at.topic] for caused in function(event, rows) or ()]
    return [] if rows.repeated else follows
