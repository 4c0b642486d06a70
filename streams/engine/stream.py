"""Faust's stream, over batches: an event costs one step of a generator, not a turn of the event loop."""

from __future__ import annotations

import inspect
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

from faust.exceptions import Skip
from faust.streams import Stream as FaustStream
from faust.streams import _current_event

from streams.engine.batch import Batch
from streams.engine.compiled import quick
from streams.engine.dead import Refused
from streams.engine.event import Moving
from streams.engine.shard import Cursor, current
from streams.engine.topic import Broken, Raw, Topic, Undecodable
from streams.engine.work import LOOK, SLICE, Stopped, shares

NO_ACKS = "an agent cannot acknowledge by hand: an event is done when the agent asks for the next one; leave noack out"
NOWHERE = Cursor()


class Stream(FaustStream[Any]):
    """Over a topic of a running worker it reads batches; over anything else it is Faust's own."""

    app: Any
    channel: Any
    current_event: Any

    cursor: Any = None  # a Cursor, of a stream that has begun
    _reader: object = None  # the generator that reads now; a crashed one may be finalised much later

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._fed:
            reading = Reader(self) if quick else self._values()
        else:
            self.app.consumer.bench()
            reading = cast(Any, self._py_aiter())  # the compiled one reads a stock consumer's private fields
        self._active_agens.add(reading)
        return reading

    @property
    def _fed(self) -> bool:
        return isinstance(self.channel, Topic) and self.app.consumer.feeds

    async def _values(self) -> AsyncGenerator[Any, None]:
        """Value by value."""
        async for values in self._batches():
            cursor = self.cursor
            if self._odd(values):
                async for value in self._processed(values):
                    yield value
                continue
            number = cursor.number
            for value in values[number - cursor.base :] if number != cursor.base else values:
                yield value
                cursor.number = number = number + 1
                if number >= cursor.limit and not await self._goes_on():
                    break

    @property
    def _handles(self) -> bool:
        """Whether there is more to do with values than to hand them out."""
        return bool(self._processors) or self.join_strategy is not None

    def _odd(self, values: list[Any]) -> bool:
        return self._handles or type(values) is Broken

    async def _processed(self, values: list[Any]) -> AsyncIterator[Any]:
        """With processors, filters, and values that cannot be decoded."""
        cursor = self.cursor
        for value in values[cursor.number - cursor.base :]:
            if type(value) is Undecodable:
                await self.channel.on_decode_error(value.why, self.current_event.message)
                self.app.consumer.failures.undo(cursor, Refused(str(value.why)))
            else:
                try:
                    for process in self._processors:
                        value = process(value)
                        if inspect.isawaitable(value):
                            value = await value
                    value = await self.on_merge(value)
                except Skip:
                    pass
                else:
                    yield value
                cursor.number += 1
            if cursor.number >= cursor.limit and not await self._goes_on():
                break

    async def _goes_on(self) -> bool:
        """Looks up between two events. False when the rest of the batch is not ours any more, or the stream stops."""
        cursor = self.cursor
        if self._over(cursor):
            return False
        if cursor.limit and time.perf_counter() - cursor.since < SLICE:
            cursor.limit = cursor.number + LOOK
            return True
        await self.app.consumer.work.breathe(cursor)
        cursor.since = time.perf_counter()
        return not self._over(cursor)

    def _over(self, cursor: Cursor) -> bool:
        return self.should_stop or (cursor.batch is not None and cursor.batch.dropped)

    async def _batches(self, lazily: bool = False) -> AsyncGenerator[list[Any], None]:
        """Batch after batch, decoded, or `Raw` when that will do; what a failed agent left of one comes first."""
        self._finalized = True
        self._reader = reader = object()
        started = await self.maybe_start()
        consumer = self.app.consumer
        cursor = self._begin(consumer)
        queue, channel = self.channel.queue, self.channel
        event = Moving(self.app, channel, cursor)
        cursor.since = time.perf_counter()
        try:
            while not self.should_stop:
                batch = cursor.batch
                if batch is None:
                    batch = await self._next_batch(queue, consumer, cursor)
                    if not isinstance(batch, Batch):
                        self._put_by_hand(batch)
                        cursor.base, cursor.resting = cursor.number, False
                        yield [batch.value]
                        continue
                if not batch.dropped:
                    values = self._open(batch, cursor, event, lazily)
                    cursor.resting = False
                    yield values
                    cursor.resting = True
                self._close(batch, cursor, consumer)
        except StopAsyncIteration:
            return
        finally:
            if self._reader is reader:
                self._leave(cursor, consumer)
                self._channel_stop_iteration(channel)
                if started:
                    await self.stop()
                    self.service_reset()

    def _leave(self, cursor: Cursor, consumer: Any) -> None:
        """Nobody reads any more. An event after which the agent left is done; one that the end broke off is not."""
        batch = cursor.batch
        if batch is not None and not cursor.resting and not batch.dropped:
            if self.should_stop:
                cursor.shard.undo(cursor.number)
            else:
                cursor.number += cursor.taken
                batch.lane.settle()
                consumer.delivery.moved()
        cursor.resting = True
        if batch is not None and batch.shared and batch.begun:
            cursor.batch = None
            consumer.delivery.done(batch)  # others go on without this one
        if cursor in consumer.work.cursors:
            consumer.work.cursors.remove(cursor)
        self.cursor = None

    def _begin(self, consumer: Any) -> Cursor:
        if not self.channel.is_iterator:
            self.channel = aiter(self.channel)
        if self.cursor is None:
            self.cursor = Cursor()
            consumer.work.cursors.append(self.cursor)
        if self.concurrency_index is not None:
            self.channel.open_events = 2
        cursor: Cursor = self.cursor
        current.set(cursor)
        cursor.resting = True
        return cursor

    async def _next_batch(self, queue: Any, consumer: Any, cursor: Cursor) -> Any:
        """The next batch of the queue, not before a commit that wants quiet has it."""
        work = consumer.work

        def head() -> Any:
            return None if queue.empty() else queue._queue[0]

        while True:
            if work.quiescing or (not queue.empty() and time.perf_counter() - cursor.since > SLICE):
                await work.breathe(cursor, head)
                cursor.resting, cursor.since = True, time.perf_counter()
            if not queue.empty():
                return queue.get_nowait()
            batch = await queue.get()
            cursor.since = time.perf_counter()
            if not work.quiescing or shares(batch):
                return batch
            queue._queue.appendleft(batch)  # a commit began while we waited

    def _open(self, batch: Batch, cursor: Cursor, event: Moving, lazily: bool) -> list[Any]:
        if cursor.batch is not batch:
            cursor.batch, cursor.base = batch, cursor.number
            if not batch.shared:
                batch.cursor = cursor
            batch.begun = True
            cursor.enter(batch.shard)
        self.current_event = event
        _current_event.set(weakref.ref(event))
        self.app.consumer.delivery.moved()
        cursor.limit = cursor.number + LOOK
        raw = self.channel.raw_batch(batch.messages) if lazily and not batch.shared and not self._handles else None
        return self._decoded(batch) if raw is None else raw

    def _decoded(self, batch: Batch) -> list[Any]:
        kind = self.channel.kind
        values = batch.values.get(kind)
        if values is None:
            values = batch.values[kind] = self.channel.decode_batch(batch.messages)
        return values

    def _close(self, batch: Batch, cursor: Cursor, consumer: Any) -> None:
        """The batch is over: done, or taken from us."""
        batch.lane.settle()
        over = cursor.number - cursor.base if cursor.batch is batch else 0
        self.events_total += over
        cursor.batch = None
        if over == len(batch.messages):
            batch.cursor = None
            consumer.delivery.done(batch)

    def _put_by_hand(self, event: Any) -> None:
        self.current_event = event
        _current_event.set(weakref.ref(event))

    async def events(self) -> AsyncIterator[Any]:
        async for value in self:
            event = self.current_event
            if event is not None:
                yield event.keep(value) if type(event) is Moving else event

    async def items(self) -> AsyncIterator[Any]:
        async for value in self:
            yield self.current_event.key, value

    def noack(self) -> Any:
        raise Stopped(NO_ACKS)

    def noack_take(self, max_: int, within: Any) -> Any:
        raise Stopped(NO_ACKS)

    def take(self, max_: int, within: Any) -> Any:
        """Lists straight from the batches: of one partition, never waiting when something is there."""
        return self._portions(max_, False) if self._fed else super().take(max_, within)

    def take_events(self, max_: int, within: Any) -> Any:
        return self._portions(max_, True) if self._fed else super().take_events(max_, within)

    async def _portions(self, size: int, as_events: bool) -> AsyncIterator[Any]:
        async for values in self._batches():
            cursor = self.cursor
            while (at := cursor.number - cursor.base) < len(values):
                portion, span = await self._readable(values, at, size)
                if portion:
                    cursor.taken = span
                    event = self.current_event
                    yield (
                        [event.keep(value, n) for n, value in portion] if as_events else [value for _, value in portion]
                    )
                    cursor.taken = 1
                cursor.number += span
                if cursor.number >= cursor.limit and not await self._goes_on():
                    break

    async def _readable(self, values: list[Any], at: int, size: int) -> tuple[list[tuple[int, Any]], int]:
        """Values with their distance from `at`, up to the first that cannot be decoded, and how many records that uses up."""
        cursor = self.cursor
        good: list[tuple[int, Any]] = []
        n = at
        while n < len(values) and len(good) < size:
            value = values[n]
            if type(value) is Undecodable:
                if n == at:
                    await self.channel.on_decode_error(value.why, self.current_event.message)
                    self.app.consumer.failures.undo(cursor, Refused(str(value.why)))
                break
            n += 1
            try:
                for process in self._processors:
                    value = process(value)
                    if inspect.isawaitable(value):
                        value = await value
            except Skip:
                continue
            except Exception:
                if n - 1 == at:
                    raise
                n -= 1  # the ones before it are good; it comes first next time
                break
            good.append((n - 1 - at, value))
        return good, n - at


class Reader(quick.Values if quick else object):  # type: ignore[misc]
    """`Stream._values`, with the step from one event to the next compiled; what is not such a step is here."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._batches = stream, stream._batches(lazily=True)
        self._rest: Any = None  # of a batch that is processed value by value

    async def more(self) -> Any:
        """The next value where a batch ends, a time slice is over, or something is to be done to each."""
        stream = self._stream
        while True:
            if self._rest is not None:
                value = await anext(self._rest, self)
                if value is not self:
                    return value
                self._rest = None
            elif self.at < self.end and await stream._goes_on():
                if self.ready():
                    return self.take()
                self._rest = stream._processed(stream._decoded(stream.cursor.batch))
                self.open(NOWHERE, [], 0)
                continue
            self.open(NOWHERE, [], 0)
            values = await anext(self._batches)
            if stream._odd(values):
                self._rest = stream._processed(values)
                continue
            at = stream.cursor.number - stream.cursor.base
            self.open(stream.cursor, values, at, *((values.decode, values.mark) if type(values) is Raw else ()))
            if self.ready():
                return self.take()

    async def aclose(self) -> None:
        self.open(NOWHERE, [], 0)
        if self._rest is not None:
            await self._rest.aclose()
        await self._batches.aclose()
