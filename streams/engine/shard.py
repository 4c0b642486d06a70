"""What this process keeps of one partition number: the rows of every table, what is written and not yet committed, and
how far each source topic was folded.

All partitions of one number belong together: an agent reading `clicks/3` writes rows of partition 3, and nobody else
in the group has `clicks/3` or any other topic's partition 3. Knows no Kafka client and no event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple

from streams.engine.compiled import quick
from streams.engine.position import NOWHERE, Position
from streams.engine.rows import GONE, Rows

FOREVER = 1 << 62
OUTSIDE = -1  # number of the event of what no event has sent
EACH = 40  # bits in which a stream counts its events


# A record that an agent sends: number of the event that caused it, topic, key, value, partition or -1, timestamp in
# milliseconds or 0, headers, handle. A bare tuple: it is made for every record.
Output = tuple[int, str, bytes | None, bytes | None, int, int, Any, Any]


class Change(NamedTuple):
    """What a transaction writes to one table's changelog partition."""

    table: int
    partition: int
    rows: dict[Any, Any]  # newest value by key, or GONE


# A write: key, value before, number of the event, whether it is the first of its key.
Write = tuple[Any, Any, int, bool]


class PlainLog:
    """The writes to one table and partition, where `quick.c` could not be compiled.

    `rows` are those written since they were taken, the newest value by key, or GONE: what a transaction must write. Single
    writes are kept for undoing them; compiled, only as long as some event may be undone.
    """

    __slots__ = ("_writes", "rows")

    def __init__(self) -> None:
        self.rows: dict[Any, Any] = {}
        self._writes: list[Write] = []

    def note(self, key: Any, value: Any, before: Any, event: int) -> None:
        self._writes.append((key, before, event, key not in self.rows))
        self.rows[key] = value

    def writes(self) -> list[Write]:
        return self._writes

    def keep(self, writes: list[Write]) -> None:
        """These writes and no others."""
        self._writes = writes

    def take(self) -> dict[Any, Any]:
        """The rows, which count as being on their way from now on."""
        taken, self.rows, self._writes = self.rows, {}, []
        return taken


Log: Any = quick.Log if quick else PlainLog


class Shard:
    """One partition number."""

    def __init__(self, number: int, rows: Sequence[Rows]) -> None:
        self.number = number
        self.rows: list[Rows] = list(rows)
        self.logs: list[Any] = [Log() for _ in rows]
        self.outputs: list[Output] = []
        self.stored: list[Position] = [NOWHERE] * len(self.rows)  # by table, as the changelog has it
        self.next: dict[str, int] = {}  # by source topic: everything below is in the rows
        self.committed: dict[str, int] = {}  # by source topic: what was cut last, its commit may be under way
        self.ids: dict[str, str] = {}
        self.at: datetime | None = None

    def undo(self, event: int) -> list[Any]:
        """Takes back what an event wrote and sent; the `sent` handles of its outputs."""
        for rows, log in zip(self.rows, self.logs, strict=True):
            if _wrote(event, log):
                _undo(event, log, rows)
        mine = [output[-1] for output in self.outputs if output[0] == event]
        self.outputs[:] = [output for output in self.outputs if output[0] != event]
        return mine

    def touched(self, event: int) -> bool:
        """Whether an event has written or sent something that is not yet committed."""
        return any(_wrote(event, log) for log in self.logs) or any(output[0] == event for output in self.outputs)

    def take(self) -> tuple[list[Change], list[Output]]:
        """What is to be committed; from now on it counts as being on its way."""
        changes = [Change(table, self.number, log.take()) for table, log in enumerate(self.logs) if log.rows]
        outputs = list(self.outputs)
        self.outputs.clear()
        return changes, outputs

    def fail(self, why: Exception) -> None:
        """Tells whoever waits for what was sent that it will not go out."""
        for output in self.outputs:
            if output[-1] is not None:
                output[-1].failed(why)
        self.outputs.clear()

    def close(self) -> None:
        for rows in self.rows:
            rows.close()

    def positions(self) -> list[Position]:
        """What the rows of each table contain now. One that is ahead of the others stays so until they have caught up."""
        return [
            Position(
                {topic: max(end, stored.next.get(topic, 0)) for topic, end in self.next.items()},
                dict(self.ids),
                self.at,
            )
            for stored in self.stored
        ]

    def start_of(self, topic: str) -> int | None:
        """The first offset that some table does not contain; None when no table knows the topic."""
        known = [stored.next.get(topic) for stored in self.stored]
        return None if all(one is None for one in known) else min(one or 0 for one in known)

    def behind(self, topic: str, offset: int) -> tuple[frozenset[int], int]:
        """The tables that contain a record already, and the next offset at which that changes."""
        ends = [stored.next.get(topic, 0) for stored in self.stored]
        later = [end for end in ends if end > offset]
        return frozenset(table for table, end in enumerate(ends) if end > offset), min(later, default=FOREVER)


class Shadow(Shard):
    """A shard as an old record sees it, while a new table is folded beside tables that contain the record already.

    Writes to those go nowhere, and so does what is sent: both were done when the record was folded first.
    """

    def __init__(self, shard: Shard, known: Iterable[int]) -> None:
        self.number = shard.number
        self.rows, self.logs, self.outputs = list(shard.rows), list(shard.logs), []
        for table in known:
            self.rows[table] = Veil(shard.rows[table])
            self.logs[table] = Log()

    def forget(self) -> None:
        """The record is done: what was sent went out when it was folded first."""
        for output in self.outputs:
            if output[-1] is not None:
                output[-1].committed()
        self.outputs.clear()


class Veil(Rows):
    """Rows that can be written to without effect."""

    def __init__(self, below: Rows) -> None:
        super().__init__(below.codec)
        self._below = below
        self._hidden: set[Any] = set()

    def __missing__(self, key: Any) -> Any:
        if key in self._hidden:
            raise KeyError(key)
        return self._below[key]

    def delete(self, key: Any) -> None:
        self[key]
        self.pop(key, None)
        self._hidden.add(key)

    def everything(self) -> Iterator[Any]:
        yield from self
        for key in self._below.everything():
            if not dict.__contains__(self, key) and key not in self._hidden:
                yield key


class Plain:
    """The fields of a cursor, where `quick.c` could not be compiled."""

    __slots__ = ("base", "batch", "limit", "logs", "number", "outputs", "resting", "rows", "shard", "since", "taken")


class Cursor(quick.Cursor if quick else Plain):  # type: ignore[misc]
    """Where one stream is. The tables find it through the context of the stream's task.

    `number` is the event in hand, or the next one while `resting`; all below it are done. `limit` is the number at which
    the stream looks up: when its time slice is over, or at once when somebody set it to 0.
    """

    streams = 0  # of this process; each counts its events in a range of its own

    def __init__(self) -> None:
        Cursor.streams += 1
        self.number = self.base = Cursor.streams << EACH
        self.rows: list[Rows] = []
        self.logs: list[Any] = []
        self.outputs: list[Output] = []
        self.limit = 0
        self.taken = 1  # events in hand
        self.resting = True
        self.since = 0.0  # when its time slice began
        self.batch: Any = None

    def enter(self, shard: Shard) -> None:
        self.shard = shard
        self.rows, self.logs, self.outputs = shard.rows, shard.logs, shard.outputs


current: ContextVar[Cursor] = ContextVar("streams.engine.cursor")
if quick:
    quick.begin(current, GONE)


def _wrote(event: int, log: Any) -> bool:
    return any(number == event for _, _, number, _ in log.writes())


def _undo(event: int, log: Any, rows: Rows) -> None:
    """Takes an event's writes back. Another event's write on top of one stays."""
    kept: list[Write] = []
    taken: dict[Any, tuple[Any, bool]] = {}
    for key, before, number, first in log.writes():
        if number == event:
            taken.setdefault(key, (before, first))
        else:
            before, first = taken.pop(key, (before, first))
            kept.append((key, before, number, first))
    log.keep(kept)
    for key, (before, first) in taken.items():
        rows.restore(key, before)
        if first:
            del log.rows[key]
        else:
            log.rows[key] = before
