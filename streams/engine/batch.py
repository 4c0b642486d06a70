"""What agents are handed: records of one partition, in order. The unit of delivery, of progress and of back-pressure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Message

from streams.engine.halt import Halt
from streams.engine.recovery import Place, behind
from streams.engine.shard import Cursor, Shard


class Batch:
    """Some records of a lane. `left` streams have yet to finish it; `cursor` is the one at work, when there is only one."""

    __slots__ = ("begun", "cursor", "dropped", "end", "lane", "left", "messages", "shard", "values")

    def __init__(self, lane: Lane, messages: list[Message], shard: Shard) -> None:
        self.lane, self.messages, self.shard = lane, messages, shard
        self.left = len(lane.channels)
        self.end = behind(messages)
        self.begun = self.dropped = False
        self.cursor: Cursor | None = None
        self.values: dict[Any, list[Any]] = {}

    @property
    def shared(self) -> bool:
        """Several agents read the topic: they are at one offset only at the ends of batches."""
        return len(self.lane.channels) > 1

    @property
    def next(self) -> int:
        """The offset behind the records that are done, in a batch that is not shared."""
        cursor = self.cursor
        done = cursor.number - cursor.base if cursor is not None and cursor.batch is self else 0
        return behind(self.messages[:done]) if done else self.messages[0].offset() or 0


CLOSED = 0  # in the place of a start: what was fetched for the lane is not for it any more


class Lane:
    """One source partition that this process owns."""

    def __init__(self, place: Place, shard: Shard, channels: Iterable[Any], start: int) -> None:
        self.place, self.shard, self.channels, self.start = place, shard, list(channels), start
        self.batches: deque[Batch] = deque()
        self.pending = 0  # records handed out and not done
        self.held: deque[Message] = deque()  # fetched, and waiting for open events to end
        self.read = -1  # next offset to be fetched
        self.seen = -1  # progress when it was last looked at
        self.paused = False
        self.until: Halt | None = None  # where it stopped before its shard was read back
        self.halted: Halt | None = None

    @property
    def concurrent(self) -> bool:
        """Whether its events end out of order."""
        return any(channel.open_events > 1 for channel in self.channels)

    @property
    def shares(self) -> bool:
        """Whether some agents have done a batch, or begun it, and others have not."""
        head = self.batches[0] if self.batches else None
        return head is not None and head.shared and head.begun and head.left > 0 and not head.dropped

    @property
    def topic(self) -> str:
        return self.place[0]

    def settle(self) -> None:
        """Moves on behind everything that is done without a gap."""
        while self.batches and not self.batches[0].left:
            self._done(self.batches.popleft().end)
        if self.batches:
            head = self.batches[0]
            if not head.shared and head.cursor is not None and head.cursor.batch is head:
                self._done(head.next)
        elif not self.held and self.read >= 0:
            self._done(self.read)

    def drop(self) -> None:
        """Nothing is to be begun any more; what is done stays done, and agents that share a batch finish it."""
        self.settle()
        self.start = CLOSED
        for batch in self.batches:
            batch.dropped = not (batch.shared and batch.begun)
            if batch.cursor is not None:
                batch.cursor.limit = 0

    def halt(self, batch: Batch, halt: Halt) -> None:
        """Nothing is to be begun any more; of events that are open some may lie in front of the halt, so they go on."""
        self.halted = min(self.halted or halt, halt)
        self.start = CLOSED
        self.held.clear()
        for waiting in self.batches:
            waiting.dropped |= waiting is batch or not waiting.begun
        self.pending = sum(len(going.messages) for going in self.batches if not going.dropped)

    def forget(self) -> None:
        """What was begun is not finished either."""
        self.drop()
        for batch in self.batches:
            batch.dropped = True

    def _done(self, end: int) -> None:
        if end > self.shard.next.get(self.topic, -1):
            self.shard.next[self.topic] = end
