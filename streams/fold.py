"""A fold: a plain function from an event and rows to the events that follow. It awaits nothing and knows no Kafka.

    @fold(AnalysisDone)
    def keep_trust(done: AnalysisDone, rows: Rows) -> Iterator[Event]:

All folds of an event stand or fall together: where one raises, the engine takes back what the others have written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from schemas import Event
from streams.engine import Refused
from topics import Row, Table, topic_of
from topics.place import Position, partition_of
from topics.rows import split

__all__ = ["FOLDS", "Fold", "Refused", "Rows", "fold", "folded"]

Stores = Mapping[str, MutableMapping[str, Any]]
Fold = Callable[[Any, "Rows"], Iterable[Event] | None]


@dataclass
class Rows:
    """The tables as one record sees them."""

    at: Position
    stores: Stores
    partitions: int

    def get(self, table: Table[Row], key: str) -> Row | None:
        """The row as it is after what this record has written so far, or None."""
        found: Row | None = self.stores[table.name].get(key)
        return found

    def put(self, table: Table[Row], key: str, row: Row) -> None:
        self.stores[table.name][key] = row

    def remove(self, table: Table[Row], key: str) -> None:
        del self.stores[table.name][key]

    def keys(self, table: Table[Any]) -> Iterator[str]:
        """The keys of the record's partition."""
        for key in list(self.stores[table.name]):
            if partition_of(split(key)[0], self.partitions) == self.at.partition:
                yield key


FOLDS: dict[type[Event], list[Fold]] = defaultdict(list)


def fold(*events: type[Event]) -> Callable[[Fold], Fold]:
    """Registers a fold of these events and no others. Folds of an event run in the order of their declaration.

    Raises KeyError for an event that is on no topic.
    """

    def register(function: Fold) -> Fold:
        for event in events:
            topic_of(event)
            FOLDS[event].append(function)
        return function

    return register


def folded(event: Event, rows: Rows) -> list[Event]:
    """What follows from an event; the writes are in `rows`."""
    return [caused for function in FOLDS.get(type(event), ()) for caused in function(event, rows) or ()]
