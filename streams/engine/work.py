"""What this process has in hand: shards, lanes and streams; and how the streams are brought to rest between two events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from streams.engine.batch import Batch, Lane
from streams.engine.recovery import Place
from streams.engine.shard import EACH, Cursor, Shard

SLICE = 0.005  # seconds that a stream may keep the loop
LOOK = 64  # events between two looks at the clock
QUIET = 0.001  # seconds between two looks whether all streams are between two events


class Stopped(Exception):
    """The process must end; the message says why."""


class Postponed(Exception):
    """An agent gives an event back: it is not done, and whoever has its partition then begins it again."""


class Work:
    """Shards by number, lanes by place, and the cursors of the streams that read them."""

    def __init__(self) -> None:
        self.shards: dict[int, Shard] = {}
        self.lanes: dict[Place, Lane] = {}
        self.cursors: list[Cursor] = []
        self.quiescing = False  # whether a cut wants quiet
        self._open = asyncio.Event()
        self._open.set()

    @property
    def pending(self) -> bool:
        """Whether something that was handed out is not done, in lanes that move."""
        return any(lane.pending for lane in self.lanes.values() if not lane.paused)

    def counted(self) -> int:
        """Events so far, over all streams."""
        return sum(cursor.number & ((1 << EACH) - 1) for cursor in self.cursors)

    async def breathe(self, cursor: Cursor, next: Callable[[], Any] = lambda: None) -> None:
        """Between two events: lets others run, and waits while a commit wants quiet.

        `next` tells what the stream would go on with, where that is not the batch in hand.
        """
        cursor.resting = True
        try:
            await asyncio.sleep(0)
            while self.quiescing and not shares(cursor.batch or next()):
                await self._open.wait()
        finally:
            cursor.resting = False
        cursor.limit = cursor.number + LOOK

    async def be_quiet(self) -> None:
        """Until no stream is in the middle of an event that wrote or sent something. Almost always that is at once."""
        while any(map(_loud, self.cursors)) or any(lane.shares for lane in self.lanes.values()):
            self.quiescing = True
            self._open.clear()
            await self._let_look_up()

    def go_on(self) -> None:
        """The cut is taken."""
        self.quiescing = False
        self._open.set()

    async def end_events(self, lanes: Iterable[Lane]) -> None:
        """Until no stream is in the middle of an event of these."""
        lanes = list(lanes)
        going = set(map(id, lanes))
        while any(lane.shares for lane in lanes) or any(
            not c.resting and c.batch is not None and id(c.batch.lane) in going for c in self.cursors
        ):
            await self._let_look_up()

    async def _let_look_up(self) -> None:
        for cursor in self.cursors:
            cursor.limit = 0
        await asyncio.sleep(QUIET)


def shares(batch: Any) -> bool:
    """Whether it is one that another agent has begun: agents finish it together, so that they are at one offset."""
    return isinstance(batch, Batch) and batch.shared and batch.begun and not batch.dropped


def _loud(cursor: Cursor) -> bool:
    return not cursor.resting and cursor.batch is not None and cursor.shard.touched(cursor.number)
