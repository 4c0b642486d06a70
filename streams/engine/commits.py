"""When and how what was done is committed, and what happens when that fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicPartition
from faust.types import TP

from streams.engine import client
from streams.engine.aside import Aside
from streams.engine.delivery import Delivery
from streams.engine.membership import Membership
from streams.engine.recovery import Recovery
from streams.engine.shard import OUTSIDE, Output
from streams.engine.transaction import Changelog, Cut, Keeper, Undelivered
from streams.engine.work import Stopped, Work

log = logging.getLogger("engine")

LATE = 60.0  # seconds in which a broker may still come to a call that was given up, and fence whoever came after it
GRACE = 1.0  # seconds that a commit may take longer than its transaction may
# confluent-kafka 2.16 sometimes says SystemError, "returned NULL without setting an exception", when brokers die under a call.
FAILURES = (KafkaException, Undelivered, TimeoutError, SystemError)
FENCED = {"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"}


class Commits:
    """One at a time, in a thread that also takes partitions over. `lose` is called when the rows have to be read back.

    `last` is the number of the newest commit, `next` the one that will contain what is done now. `outside` was sent by code
    that runs beside the streams.
    """

    def __init__(self, app: Any, work: Work, delivery: Delivery, lose: Callable[[], None]) -> None:
        self.app, self.options, self.exactly = app, app.engine, app.exactly
        self.work, self.delivery, self._lose = work, delivery, lose
        self.member: Membership | None = None
        self.last, self.next = 0, 1
        self.outside: list[Output] = []
        self._aside = Aside("engine commit")
        self._one = asyncio.Lock()
        self._failures = 0  # in a row
        self._given_up = -LATE  # when a call was left to itself last, by the monotonic clock
        self.stepped = 0.0  # when the take-over under way came one step further

    @cached_property
    def keeper(self) -> Keeper:
        """Made when all tables are declared."""
        changelogs = [Changelog(one.changelog_topic_name, one.codec, one.stored) for one in self.app.tables.numbered]
        return Keeper(changelogs, self.exactly, self._producer)

    def _producer(self, number: int, reported: Any) -> Any:
        conf, options = self.app.conf, self.options
        id = f"{conf.id}-{options.instance}-{number}" if self.exactly else ""
        base = client.writer(self.app.transport.configuration, id, options.transaction_timeout)
        # A transaction fails by itself with a record that was not taken; without one each report has to be looked at.
        return Producer(base if self.exactly else base | {"on_delivery": reported})

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Raises Stopped."""
        while not stopping():
            await self.delivery.due()
            await self()

    async def __call__(self) -> bool:
        """Commits all that is done. False when there was nothing, or when it failed and the rows are read back.

        Raises Stopped when it is of no use to try again.
        """
        async with self._one:
            try:
                if self.exactly:
                    await self.work.be_quiet()
                cut = self._cut()
            finally:
                self.work.go_on()
            if not cut:
                return False
            began = time.monotonic()
            try:
                await self._aside(self._commit, cut, self.keeper, within=self._patience)
            except FAILURES as failed:
                self._failed(cut, failed, time.monotonic() - began)
                return False
            except BaseException:
                self._lose()  # what was cut is on its way or gone; nothing may be committed behind it
                raise
            self._succeeded(cut)
            return True

    @property
    def settled(self) -> bool:
        """Whether all that was cut is committed: no commit is under way, and the newest one did not fail."""
        return self.last + 1 == self.next

    @property
    def _patience(self) -> float | None:
        """Seconds for a commit: the broker gives a transaction up after its time-out, so waiting longer is in vain."""
        return self.options.transaction_timeout + GRACE if self.exactly else None

    def _cut(self) -> Cut:
        cut = Cut(self.member.generation if self.member is not None else None)
        for lane in self.work.lanes.values():
            lane.settle()
        for shard in self.work.shards.values():
            cut.add(shard)
        cut.outputs += self.outside
        self.outside = []
        self.delivery.uncommitted = 0
        if cut:
            cut.number, self.next = self.next, self.next + 1
        return cut

    def _commit(self, cut: Cut, keeper: Keeper) -> None:
        """In the committing thread."""
        for step in keeper.commit(cut):
            self._reached(step)
        if keeper is not self.keeper:
            return  # given up in the meantime
        if not self.exactly and cut.offsets and self.member is not None:
            self.member.commit([TopicPartition(topic, number, end) for (topic, number), end in cut.offsets.items()])
        positions = dict(cut.positions)
        for (table, number), end in cut.ends.items():
            shard = self.work.shards.get(number)
            if shard is not None:
                position = positions[number][table] if number in positions else None
                shard.rows[table].keep(cut.raw.get((table, number), {}), position, end)

    def _succeeded(self, cut: Cut) -> None:
        self.last, self._failures = cut.number, 0
        for output in cut.outputs:
            if output[-1] is not None and output[-1].wanted:
                output[-1].committed()
        for number, _ in cut.positions:
            shard = self.work.shards.get(number)
            if shard is not None:
                for rows, log in zip(shard.rows, shard.logs, strict=True):
                    rows.settle(log.rows)
        self.app.monitor.on_tp_commit({TP(*place): end for place, end in cut.offsets.items()})
        self.delivery.told_less()

    def _failed(self, cut: Cut, failed: BaseException, seconds: float) -> None:
        """Whether the transaction was committed is not known: the producer goes, the rows are read back."""
        self._failures += 1
        if isinstance(failed, TimeoutError):
            del self.keeper  # its thread may be in there for ever; the next has the same transactional id and fences it
        self._lose()
        outside = [output for output in cut.outputs if output[0] == OUTSIDE]
        if not self.exactly:
            self.outside[:0] = outside  # no event is read again that would send them again
        for output in cut.outputs:
            if output[-1] is not None and (self.exactly or output[0] != OUTSIDE):
                output[-1].failed(failed)
        if not _is_fence(failed):
            self._given_up = time.monotonic()
        elif self._by_another(seconds):
            raise Stopped("another worker runs under the same instance name; give each its own") from failed
        if self._failures >= self.options.commit_attempts:
            raise Stopped(f"nothing could be committed {self._failures} times in a row, the last time with: {failed}")
        log.warning("a commit failed (%r); reading the tables back", failed)

    def _by_another(self, seconds: float) -> bool:
        """Whether it was another worker that fenced a commit of so many seconds: a slower one was given up by the broker, and
        after a call that we gave up it may be that call which fences us (`init_transactions` goes on in the client)."""
        return seconds < self.options.transaction_timeout and time.monotonic() - self._given_up > LATE

    async def begin(self) -> None:
        """Makes the producers before anybody waits for them. On failure the next take-over makes them."""
        with suppress(*FAILURES):
            await self._stepping(self.keeper.begin(), lambda: None)

    async def take_over(self, recovery: Recovery, on_step: Callable[[], None]) -> None:
        """Reads shards back; `on_step` is called after each step. Raises KafkaException, Undelivered or Recreated."""
        await self._stepping(self.keeper.take_over(recovery), on_step)

    async def _stepping(self, steps: Iterator[str], on_step: Callable[[], None]) -> None:
        self.stepped = time.monotonic()
        try:
            await self._aside(self._steps, steps, on_step)
        except FAILURES:
            self._given_up = time.monotonic()
            raise
        finally:
            self.stepped = 0.0

    def _steps(self, steps: Iterator[str], on_step: Callable[[], None]) -> None:
        """In the thread that commits, so never while a commit is under way."""
        for step in steps:
            self._reached(step)
            if step != "waiting":
                self.stepped = time.monotonic()
            on_step()

    def _reached(self, step: str) -> None:
        if self.options.at_step is not None:
            self.options.at_step(step)

    async def under_way(self) -> None:
        """Until the commit under way is over."""
        async with self._one:
            pass

    def end(self) -> None:
        self._aside.end()


def _is_fence(failed: BaseException) -> bool:
    """Whether another producer took this one's name. confluent-kafka 2.16 raises a fatal error while it still calls delivery
    reports, which turns it into the cause of a SystemError."""
    return any(
        isinstance(error, KafkaException) and error.args[0].name() in FENCED for error in (failed, failed.__cause__)
    )
