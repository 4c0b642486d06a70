"""Records go out to the agents in batches, no more than they can take, and come back done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from confluent_kafka import Message

from streams.engine.batch import CLOSED, Batch, Lane
from streams.engine.fetch import Fetched, Fetcher
from streams.engine.halt import Halt
from streams.engine.options import Options
from streams.engine.position import time_of
from streams.engine.shard import Shadow, Shard
from streams.engine.work import Stopped, Work

SHARED = 256  # records of a batch that several agents share: they wait for each other at its end


class Delivery:
    """`uncommitted` counts events done since the last cut; `fetcher` is there once the group was joined."""

    def __init__(self, work: Work, options: Options) -> None:
        self.work, self.options = work, options
        self.fetcher: Fetcher | None = None
        self.uncommitted = 0
        self.wake = asyncio.Event()  # something was fetched
        self._less, self._dirty, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()

    # -- what a commit waits for

    def moved(self) -> None:
        """Something is to be committed soon."""
        self._dirty.set()

    async def due(self) -> None:
        """Until something is to be committed and the input is drained, or some time after the first such event."""
        await self._dirty.wait()
        deadline = time.monotonic() + self.options.commit_interval
        while not self._drained() and (left := deadline - time.monotonic()) > 0:
            self._idle.clear()
            try:
                await asyncio.wait_for(self._idle.wait(), left)
            except TimeoutError:
                break
        self._dirty.clear()

    def _drained(self) -> bool:
        return not (self.fetcher is not None and self.fetcher.fetched) and not self.work.pending

    # -- out

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Raises Stopped when records cannot be read."""
        while not stopping():
            await self.wake.wait()
            self.wake.clear()
            fetcher = self.fetcher
            while fetcher is not None and (taken := fetcher.take()) is not None:
                for fetched in taken:
                    self._hand_out(fetched)
                if fetcher.fetched:
                    await asyncio.sleep(0)
                while self._busy() and not stopping():
                    await self._wait_for_less()
            if fetcher is not None and fetcher.failed is not None:
                raise Stopped(f"reading from the broker failed: {fetcher.failed}")

    def _hand_out(self, fetched: Fetched) -> None:
        lane = self.work.lanes.get(fetched.place)
        if lane is None or lane.start != fetched.start:
            return  # fetched before the partition was given back
        if lane.until is not None:
            fetched = self._cut_off(fetched, lane, lane.until)
        if fetched.messages:
            lane.read = fetched.messages[-1].offset() + 1  # type: ignore[operator]
            for run in _runs(lane, fetched.messages):
                self._queue(lane, *run)
        if fetched.end is not None:
            lane.read = max(lane.read, fetched.end)
            if not lane.batches:
                lane.settle()

    def _cut_off(self, fetched: Fetched, lane: Lane, until: Halt) -> Fetched:
        """What lies in front of the event at which the partition stopped; the partition ends there."""
        good = [message for message in fetched.messages if (message.offset() or 0) < until.offset]
        if len(good) == len(fetched.messages):
            return fetched
        lane.halted, lane.start = until, CLOSED
        self._fetch_no_more(lane)
        return fetched._replace(messages=good, end=until.offset)

    def halt(self, batch: Batch, halt: Halt) -> None:
        """A partition stops in front of an event; what is done of it is committed."""
        batch.lane.halt(batch, halt)
        self._fetch_no_more(batch.lane)
        self.moved()
        self.told_less()

    def _fetch_no_more(self, lane: Lane) -> None:
        if self.fetcher is not None:
            self.fetcher.end([lane.place])

    def _queue(self, lane: Lane, messages: list[Message], shard: Shard) -> None:
        if not lane.channels:
            return
        if lane.concurrent:
            lane.held.extend(messages)
            self._open_more(lane)
            return
        size = SHARED if len(lane.channels) > 1 else len(messages)
        for at in range(0, len(messages), size):
            _put(Batch(lane, messages[at : at + size], shard))

    def _open_more(self, lane: Lane) -> None:
        """Single records for agents with concurrency, so many at a time."""
        while lane.held and lane.pending < self.options.open_events:
            _put(Batch(lane, [lane.held.popleft()], lane.shard))

    # -- no more than they can take

    def _busy(self) -> bool:
        if self.uncommitted > self.options.uncommitted and self._dirty.is_set():
            return True
        lanes = self.work.lanes.values()
        most = min(self.options.pending, self.fetcher.fits) if self.fetcher is not None else self.options.pending
        return sum(lane.pending + len(lane.held) for lane in lanes if not lane.paused) >= most

    async def _wait_for_less(self) -> None:
        """Until the agents are nearly done. Partitions that do not move are paused, so that others go on."""
        self._less.clear()
        try:
            await asyncio.wait_for(self._less.wait(), self.options.slow_after)
        except TimeoutError:
            lanes = self.work.lanes.values()
            slow = [lane for lane in lanes if lane.pending and not lane.paused and _stands(lane)]
            for lane in slow:
                lane.paused = True
            if slow and self.fetcher is not None:
                self.fetcher.pause([lane.place for lane in slow])

    # -- and back

    def done(self, batch: Batch) -> None:
        """A stream has finished a batch."""
        batch.left -= 1
        if batch.left or batch.dropped:
            return
        lane = batch.lane
        self._dirty.set()
        lane.pending -= len(batch.messages)
        self.uncommitted += len(batch.messages)
        at = time_of(batch.messages[-1].timestamp()[1])
        lane.shard.at = max((one for one in (lane.shard.at, at) if one), default=None)
        if isinstance(batch.shard, Shadow):
            batch.shard.forget()
        lane.settle()
        if batch.shared and lane.batches and not lane.batches[0].dropped:
            _hand(lane.batches[0])
        if lane.held:
            self._open_more(lane)
        if lane.paused and lane.pending + len(lane.held) < self.options.open_events // 2:
            lane.paused = False
            if self.fetcher is not None:
                self.fetcher.resume([lane.place])
        self.told_less()

    def told_less(self) -> None:
        """There is less to do than before: batches were done, committed or dropped."""
        self._less.set()
        if not self.work.pending:
            self._idle.set()


def _runs(lane: Lane, messages: list[Message]) -> list[tuple[list[Message], Shard]]:
    """Cut where one more table has not seen the records yet; almost always there is nothing to cut."""
    runs: list[tuple[list[Message], Shard]] = []
    while messages:
        known, until = lane.shard.behind(lane.topic, messages[0].offset() or 0)
        if not known:
            return [*runs, (messages, lane.shard)]
        n = sum((message.offset() or 0) < until for message in messages)
        if len(known) < len(lane.shard.rows):
            runs.append((messages[:n], Shadow(lane.shard, known)))
        messages = messages[n:]
    return runs


def _put(batch: Batch) -> None:
    """Shared batches of one lane go out one at a time, so that all agents are at one offset."""
    lane = batch.lane
    waits = batch.shared and not lane.concurrent and bool(lane.batches)
    lane.batches.append(batch)
    lane.pending += len(batch.messages)
    if not waits:
        _hand(batch)


def _hand(batch: Batch) -> None:
    for channel in batch.lane.channels:
        channel.queue.force_put_nowait(batch)


def _stands(lane: Lane) -> bool:
    lane.settle()
    now = lane.shard.next.get(lane.topic, -1)
    stands, lane.seen = lane.seen == now, now
    return stands
