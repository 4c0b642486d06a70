"""The heart of the engine: partitions come and go, batches go out to the agents, what they did is committed.

Runs in the app's event loop. Three threads help it: one is the group's member, one fetches, one commits and recovers;
none of them touches rows, shards or streams while the loop does.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException, Message, Producer, TopicPartition
from faust.types import TP
from faust.types.transports import ConsumerT
from mode import Service

from streams.engine import client
from streams.engine.aside import Aside
from streams.engine.batch import Batch, Lane
from streams.engine.dead import Letter, Refused
from streams.engine.fetch import Fetched, Fetcher
from streams.engine.membership import Membership
from streams.engine.position import time_of
from streams.engine.recovery import Place, Recovery, Recreated
from streams.engine.rows import Rows, StoredRows
from streams.engine.shard import Cursor, Output, Shadow, Shard, current
from streams.engine.transaction import Changelog, Cut, Keeper, Undelivered

log = logging.getLogger("engine")

SHARED = 256  # records of a batch that several agents share: they wait for each other at its end
SLICE = 0.005  # seconds that a stream may keep the loop
LOOK = 64  # events between two looks at the clock
QUIET = 0.001  # seconds between two looks whether all streams are between two events
SPREAD = 30.0  # seconds that partitions of one number may be spread over the group
GRACE = 1.0  # seconds that a commit may take longer than its transaction may
FENCED = {"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"}


class Stopped(Exception):
    """The process must end; the message says why."""


class Consumer(Service, ConsumerT):
    """What Faust calls the consumer: it owns the partitions of this process."""

    app: Any
    transport: Any
    logger = log

    def __init__(self, transport: Any, callback: Any = None, on_partitions_revoked: Any = None,
                 on_partitions_assigned: Any = None, *, loop: Any = None, **kwargs: Any) -> None:  # fmt: skip
        super().__init__(loop=loop, **kwargs)
        self.transport, self.app = transport, transport.app
        self.options = self.app.engine
        self.exactly = self.app.exactly
        self.in_transaction = self.exactly
        self.randomly_assigned_topics: set[str] = set()
        self.commit_interval = self.options.commit_interval
        self.shards: dict[int, Shard] = {}
        self.lanes: dict[Place, Lane] = {}
        self.cursors: list[Cursor] = []
        self.owned: set[Place] = set()
        self.remaining: dict[Place, int] = {}  # records of each changelog still to be read
        self.recovery_seconds = 0.0  # that the last take-over took
        self.commits = self.events = 0  # number of the last commit; events since
        self.next_cut = 1
        self.outside: list[Output] = []  # sent by code that runs beside the streams
        self.partitions: dict[str, int] = {}
        self._topics: set[str] = set()
        self._member: Membership | None = None
        self._fetcher: Fetcher | None = None
        self._cluster: client.Cluster | None = None
        self._aside = Aside("engine commit")
        self._wake, self._less, self._dirty = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._idle, self._open, self._takeover = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._committing = asyncio.Lock()
        self.quiescing = False
        self._open.set()
        self._failures: list[int] = []
        self._failed_commits = 0  # in a row
        self._spread_since = 0.0
        self._stepped = 0.0  # when the take-over under way came one step further
        self._losses: Counter[int] = Counter()  # how often each partition number was taken from us

    # -- starting and stopping

    async def on_start(self) -> None:
        self.shards.clear()
        sys.setswitchinterval(0.001)  # a committing thread asks for the interpreter some ten times a commit
        gc.collect()
        gc.freeze()  # records are many and hold no cycles: with default thresholds looking for some takes a fifth of the time
        gc.set_threshold(100_000, 20, 50)

    def bench(self) -> None:
        """Without a worker, as in `agent.test_context()`, tables have rows of one partition that nobody commits."""
        if self.feeds:
            return
        tables = self.app.tables.numbered
        shard = self.shards.setdefault(0, Shard(0, []))
        for table in tables[len(shard.rows) :]:
            shard.rows.append(Rows(table.codec))
            shard.logs.append([])
        cursor = Cursor()
        cursor.enter(shard)
        current.set(cursor)

    @property
    def feeds(self) -> bool:
        """Whether streams over topics get their batches from here."""
        return bool(self.started)

    @property
    def cluster(self) -> client.Cluster:
        if self._cluster is None:
            self._cluster = client.Cluster(self.transport.configuration, self.app.conf.id)
        return self._cluster

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Joins the group, or tells it other topics. Raises Stopped when one does not exist."""
        self._topics = set(topics)
        self.partitions = await self._ask(self.cluster.partitions)
        missing = sorted(self._topics - self.partitions.keys())
        if missing:
            raise Stopped(f"{', '.join(missing)}: no such topic on the broker; create it, then start again")
        if not self._topics:
            self.app.tables.recovered(set())
            return
        if self._member is None:
            self._member = self._start_threads()
        self._member.subscribe(self._topics)

    def _start_threads(self) -> Membership:
        conf, options, loop = self.app.conf, self.options, self.loop
        base = self.transport.configuration
        reset = conf.consumer_auto_offset_reset
        read = client.reader(base, conf.id, reset, True, options.prefetch_kb)

        def arrived() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._fetcher = Fetcher(read, options.fetch, options.prefetch, arrived)
        member = Membership(client.member(base, conf.id), self._given, self._taken, self._member_failed)
        self._fetcher.start()
        member.start()
        return member

    async def on_stop(self) -> None:
        if self._member is not None:
            self._member.stop()
            await asyncio.to_thread(self._member.join, 30)
        if self._fetcher is not None:
            self._fetcher.stop()
            await asyncio.to_thread(self._fetcher.join, 10)
        self._aside.end()
        for shard in self.shards.values():
            _close(shard)
        self.shards.clear()
        if self._cluster is not None:
            self._cluster.close()
        gc.unfreeze()

    async def wait_empty(self) -> None:
        """The app stops: what is done is committed, what is not begun is left to others."""
        for lane in self.lanes.values():
            lane.drop()
        await self._end_events(list(self.lanes.values()))
        await self.commit()

    def _member_failed(self, failed: BaseException) -> None:
        why = f"the group cannot be joined: {failed}; the broker must be Apache Kafka 4.0 or newer"
        asyncio.run_coroutine_threadsafe(self.crash(Stopped(why)), self.loop)

    async def _ask(self, question: Any, *args: Any) -> Any:
        """Off the loop; again while the broker is away."""
        while True:
            try:
                return await asyncio.to_thread(question, *args)
            except KafkaException as away:
                if self.should_stop:
                    raise
                log.warning("the broker does not answer (%s); asking again", away)
                await asyncio.sleep(self.options.retry_every)

    # -- partitions come and go

    def _given(self, places: list[Place]) -> None:
        asyncio.run_coroutine_threadsafe(self._on_given(places), self.loop)

    def _taken(self, places: list[Place], lost: bool) -> Any:
        return asyncio.run_coroutine_threadsafe(self._on_taken(places, lost), self.loop)

    async def _on_given(self, places: list[Place]) -> None:
        self.app.on_rebalance_start()
        again = {number for _, number in places} & self.shards.keys()
        if again:  # a topic more, for partitions that are at work
            await self._let_go(again)
            self._forget(again)
        self.owned |= set(places)
        await self._tell_faust(set(), places)
        self._takeover.set()

    async def _on_taken(self, places: list[Place], lost: bool) -> None:
        """What is done in them is committed first, unless they are lost already."""
        self.app.on_rebalance_start()
        numbers = {number for _, number in places}
        self._losses.update(numbers)
        await self._let_go(numbers, lost)
        self.owned -= set(places)
        self._forget(numbers)
        await self._tell_faust(set(places), [])
        self._rebalanced()
        self._takeover.set()

    async def _let_go(self, numbers: set[int], lost: bool = False) -> None:
        """Stops reading them; commits what is done, unless they are lost."""
        going = [lane for place, lane in self.lanes.items() if place[1] in numbers]
        if self._fetcher is not None:
            self._fetcher.end([lane.place for lane in going])
        for lane in going:
            lane.drop()
        if not lost:
            await self._end_events(going)
            await self.commit()

    def _channels(self, topic: str) -> list[Any]:
        """Those that streams read; a topic that was only declared has a queue that nobody empties."""
        return [channel for channel in self.app.topics._topics if channel.is_iterator and topic in channel.topics]

    def heard(self, topics: Iterable[str]) -> None:
        """Streams began or ended to read topics."""
        for place, lane in self.lanes.items():
            if place[0] in topics:
                lane.channels = self._channels(place[0])

    def _forget(self, numbers: Iterable[int]) -> None:
        """These shards are no longer kept here."""
        for number in set(numbers):
            for place in [place for place in self.lanes if place[1] == number]:
                lane = self.lanes.pop(place)
                lane.drop()
            shard = self.shards.pop(number, None)
            if shard is not None:
                _close(shard)
        self._told_less()

    def _rebalanced(self) -> None:
        if self.app.rebalancing:
            self.app.on_rebalance_return()
            self.app.on_rebalance_end()

    async def _tell_faust(self, revoked: set[Place], given: list[Place]) -> None:
        """What Faust's own parts want to know: agents, indices, signals."""
        app = self.app
        app.unassigned = not self.owned
        app.consumer_generation_id += 1
        assigned = self.assignment()
        before, newly = app._update_assignment(assigned)
        await app.agents.on_rebalance(before, newly)
        await app.topics.maybe_wait_for_subscriptions()
        await app.topics.on_partitions_assigned(assigned)
        if not app.flow_control.is_active():
            app.flow_control.resume()  # also empties queues, so only the first time
        for place, lane in self.lanes.items():
            lane.channels = self._channels(place[0])
        if revoked:
            await app.on_partitions_revoked.send({TP(*place) for place in revoked})
        if given:
            await app.on_partitions_assigned.send(assigned)

    @Service.task
    async def _take_over(self) -> None:
        """Recovers the shards that are ours and complete, all that wait at once."""
        while not self.should_stop:
            await self._takeover.wait()
            self._takeover.clear()
            numbers = self._complete()
            if not numbers:
                if not self.owned:  # more workers than partitions: this one has nothing to recover
                    self.app.tables.recovered(set())
                    self._rebalanced()
                continue
            try:
                await self._recover(numbers)
            except Recreated as recreated:
                await self.crash(Stopped(f"{recreated}; its events are gone: restore it, or begin with new tables"))
            except (KafkaException, Undelivered) as away:
                log.warning("partitions cannot be taken over yet (%s); trying again", away)
                self._cluster = None  # a client may go on not knowing a topic that was made a moment before it asked
                await asyncio.sleep(self.options.retry_every)
                self._takeover.set()

    def _complete(self) -> list[int]:
        """Numbers whose partition of every topic is ours: rows of one number must have one owner."""
        mine: dict[int, set[str]] = {}
        for topic, number in self.owned:
            mine.setdefault(number, set()).add(topic)
        waiting = {number: topics for number, topics in mine.items() if number not in self.shards}
        whole = [number for number, topics in waiting.items() if topics == self._topics_of(number)]
        if len(whole) == len(waiting):
            self._spread_since = 0.0
        elif not self._spread_since:
            self._spread_since = time.monotonic()
        return sorted(whole)

    def _topics_of(self, number: int) -> set[str]:
        return {topic for topic in self._topics if self.partitions.get(topic, 0) > number}

    async def _recover(self, numbers: list[int]) -> None:
        tables = self.app.tables.numbered
        shards = [Shard(number, [self._rows(table, number) for table in tables]) for number in numbers]
        sources = {number: sorted(self._topics_of(number)) for number in numbers}
        before, began = Counter(self._losses), time.perf_counter()
        self._stepped = time.monotonic()
        try:
            await self._aside(self._recovered, shards, sources)
        finally:
            self._stepped = 0.0
        self.remaining, self.recovery_seconds = {}, time.perf_counter() - began
        begun: dict[Place, int] = {}
        for shard in shards:
            if self._losses[shard.number] != before[shard.number] or self.should_stop:
                _close(shard)  # taken away in the meantime, and possibly given again
                self._takeover.set()
                continue
            self.shards[shard.number] = shard
            begun |= {(topic, shard.number): offset for topic, offset in shard.next.items()}
            shard.next = {topic: offset for topic, offset in shard.next.items() if offset >= 0}
            shard.committed = dict(shard.next)
        for place, start in self._fetcher.begin(begun).items() if self._fetcher is not None else ():
            self.lanes[place] = Lane(place, self.shards[place[1]], self._channels(place[0]), start)
        self._rebalanced()
        self.app.tables.recovered(self.assignment())

    def _changelogs(self) -> list[Changelog]:
        return [Changelog(one.changelog_topic_name, one.codec, one.stored) for one in self.app.tables.numbered]

    def _recovered(self, shards: list[Shard], sources: Mapping[int, list[str]]) -> None:
        """In the thread that commits, so never while a commit is under way."""
        recovery = Recovery(
            shards, self._keeper.changelogs, sources, self.cluster, self._reader, lambda: self.should_stop
        )
        for step in self._keeper.take_over(recovery):
            self._reached(step)
            self.remaining, self._stepped = recovery.remaining, time.monotonic()

    def _reader(self) -> Any:
        """For one recovery."""
        base, conf = self.transport.configuration, self.app.conf
        return Client(client.reader(base, conf.id, "earliest", True, self.options.prefetch_kb))

    def _producer(self, reported: Any) -> Any:
        conf, options = self.app.conf, self.options
        id = f"{conf.id}-{options.instance}" if self.exactly else ""
        base = client.writer(self.transport.configuration, id, options.transaction_timeout)
        # A transaction fails by itself with a record that was not taken; without one each report has to be looked at.
        return Producer(base if self.exactly else base | {"on_delivery": reported})

    @cached_property
    def _keeper(self) -> Keeper:
        """Made when all tables are declared."""
        changelogs = [Changelog(one.changelog_topic_name, one.codec, one.stored) for one in self.app.tables.numbered]
        return Keeper(changelogs, self.exactly, self._producer)

    def _rows(self, table: Any, number: int) -> Rows:
        if table.stored:
            folder = Path(self.app.conf.tabledir) / f"{table.name}-{number}.rows"
            return StoredRows(table.codec, folder, self.options.cached_rows)
        return Rows(table.codec)

    # -- records go out

    @Service.task
    async def _deliver(self) -> None:
        while not self.should_stop:
            await self._wake.wait()
            self._wake.clear()
            fetcher = self._fetcher
            while fetcher is not None and (taken := fetcher.take()) is not None:
                for fetched in taken:
                    self._hand_out(fetched)
                await asyncio.sleep(0)
                while self._busy() and not self.should_stop:
                    await self._wait_for_less()
            if fetcher is not None and fetcher.failed is not None:
                await self.crash(Stopped(f"reading from the broker failed: {fetcher.failed}"))
                return

    def _hand_out(self, fetched: Fetched) -> None:
        lane = self.lanes.get(fetched.place)
        if lane is None or lane.start != fetched.start:
            return  # fetched before the partition was given back
        if fetched.messages:
            lane.read = fetched.messages[-1].offset() + 1  # type: ignore[operator]
            for run in self._runs(lane, fetched.messages):
                self._queue(lane, *run)
        if fetched.end is not None:
            lane.read = max(lane.read, fetched.end)
            if not lane.batches:
                lane.settle()

    def _runs(self, lane: Lane, messages: list[Message]) -> list[tuple[list[Message], Shard]]:
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

    def _queue(self, lane: Lane, messages: list[Message], shard: Shard) -> None:
        if not lane.channels:
            return
        if lane.concurrent:
            lane.held.extend(messages)
            self._open_more(lane)
            return
        size = SHARED if len(lane.channels) > 1 else len(messages)
        for at in range(0, len(messages), size):
            self._put(lane, Batch(lane, messages[at : at + size], shard))

    def _open_more(self, lane: Lane) -> None:
        """Single records for agents with concurrency, so many at a time."""
        while lane.held and lane.pending < self.options.open_events:
            self._put(lane, Batch(lane, [lane.held.popleft()], lane.shard))

    def _put(self, lane: Lane, batch: Batch) -> None:
        lane.batches.append(batch)
        lane.pending += len(batch.messages)
        for channel in lane.channels:
            channel.queue.force_put_nowait(batch)

    def _busy(self) -> bool:
        if self.events > self.options.uncommitted and self._dirty.is_set():
            return True
        waiting = sum(lane.pending + len(lane.held) for lane in self.lanes.values() if not lane.paused)
        return waiting >= int(self.options.pending)

    async def _wait_for_less(self) -> None:
        """Until the agents are nearly done. Partitions that do not move are paused, so that others go on."""
        self._less.clear()
        try:
            await asyncio.wait_for(self._less.wait(), self.options.slow_after)
        except TimeoutError:
            slow = [lane for lane in self.lanes.values() if lane.pending and not lane.paused and self._stands(lane)]
            for lane in slow:
                lane.paused = True
            if slow and self._fetcher is not None:
                self._fetcher.pause([lane.place for lane in slow])

    def _stands(self, lane: Lane) -> bool:
        lane.settle()
        now = lane.shard.next.get(lane.topic, -1)
        stands, lane.seen = lane.seen == now, now
        return stands

    def done(self, batch: Batch) -> None:
        """A stream has finished a batch."""
        batch.left -= 1
        if batch.left or batch.dropped:
            return
        lane = batch.lane
        self._dirty.set()
        lane.pending -= len(batch.messages)
        self.events += len(batch.messages)
        at = time_of(batch.messages[-1].timestamp()[1])
        lane.shard.at = max((one for one in (lane.shard.at, at) if one), default=None)
        lane.settle()
        if lane.held:
            self._open_more(lane)
        if lane.paused and lane.pending + len(lane.held) < self.options.open_events // 2:
            lane.paused = False
            if self._fetcher is not None:
                self._fetcher.resume([lane.place])
        self._told_less()

    def _told_less(self) -> None:
        self._less.set()
        if not any(lane.pending for lane in self.lanes.values() if not lane.paused):
            self._idle.set()

    # -- streams

    async def breathe(self, cursor: Cursor) -> None:
        """Between two events: lets others run, and waits while a commit wants quiet."""
        cursor.resting = True
        try:
            await asyncio.sleep(0)
            while self.quiescing and self._must_rest(cursor.batch):
                await self._open.wait()
        finally:
            cursor.resting = False
        cursor.limit = cursor.number + LOOK

    def _must_rest(self, batch: Batch | None) -> bool:
        """Agents that share a batch finish it, so that they are at one offset."""
        return batch is None or not batch.shared or not batch.begun

    def moved(self) -> None:
        """Something is to be committed soon."""
        self._dirty.set()

    # -- commits

    @Service.task
    async def _commit_in_time(self) -> None:
        """When the input is drained, or some time after the first event that is not committed."""
        while not self.should_stop:
            await self._dirty.wait()
            deadline = time.monotonic() + self.options.commit_interval
            while not self._drained() and (left := deadline - time.monotonic()) > 0:
                self._idle.clear()
                try:
                    await asyncio.wait_for(self._idle.wait(), left)
                except TimeoutError:
                    break
            self._dirty.clear()
            await self.commit()

    def _drained(self) -> bool:
        fetcher = self._fetcher
        return not (fetcher is not None and fetcher.fetched) and not any(
            lane.pending for lane in self.lanes.values() if not lane.paused
        )

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commits all that is done. False when there was nothing, or when it failed and the rows are read back."""
        async with self._committing:
            await self._be_quiet()
            try:
                cut = self._cut()
            finally:
                self.quiescing = False
                self._open.set()
            if not cut:
                return False
            began = time.monotonic()
            try:
                await self._aside(self._commit, cut, self._keeper, within=self._patience)
            except (KafkaException, Undelivered, TimeoutError) as failed:
                if time.monotonic() - began < self.options.transaction_timeout:
                    _fenced(failed)  # later on it was the broker that gave the transaction up
                self._failed_commits += 1
                await self._start_over(cut, failed)
                return False
            self._after(cut)
            return True

    force_commit = commit

    async def _be_quiet(self) -> None:
        """Until no stream is in the middle of an event that wrote or sent something. Almost always that is at once."""
        if not self.exactly:
            return
        while any(self._loud(cursor) for cursor in self.cursors):
            self.quiescing = True
            self._open.clear()
            for cursor in self.cursors:
                cursor.limit = 0
            await asyncio.sleep(QUIET)

    def _loud(self, cursor: Cursor) -> bool:
        batch = cursor.batch
        if batch is not None and batch.shared and batch.begun and not batch.dropped and batch.left:
            return True
        return not cursor.resting and batch is not None and cursor.shard.touched(cursor.number)

    @property
    def _patience(self) -> float | None:
        """Seconds for a commit: the broker gives a transaction up after its time-out, so waiting longer is in vain."""
        return self.options.transaction_timeout + GRACE if self.exactly else None

    def _cut(self) -> Cut:
        member = self._member
        cut = Cut(member.generation if member is not None else None)
        for lane in self.lanes.values():
            lane.settle()
        for shard in self.shards.values():
            cut.add(shard)
        cut.outputs += self.outside
        self.outside = []
        cut.events, self.events = self.events, 0
        if cut:
            cut.number, self.next_cut = self.next_cut, self.next_cut + 1
        return cut

    def _commit(self, cut: Cut, keeper: Keeper) -> None:
        """In the committing thread."""
        for step in keeper.commit(cut):
            self._reached(step)
        if keeper is not self._keeper:
            return  # given up in the meantime
        if not self.exactly and cut.offsets and self._member is not None:
            self._member.commit([TopicPartition(topic, number, end) for (topic, number), end in cut.offsets.items()])
        positions = dict(cut.positions)
        for (table, number), end in cut.ends.items():
            shard = self.shards.get(number)
            if shard is not None:
                shard.rows[table].keep(cut.raw.get((table, number), {}), positions.get(number), end)

    def _reached(self, step: str) -> None:
        if self.options.at_step is not None:
            self.options.at_step(step)

    def _after(self, cut: Cut) -> None:
        self.commits = cut.number
        self._failed_commits = 0
        for output in cut.outputs:
            if output[-1] is not None and output[-1].wanted:
                output[-1].committed()
        for number, _ in cut.positions:
            shard = self.shards.get(number)
            if shard is not None:
                for rows, writes in zip(shard.rows, shard.logs, strict=True):
                    rows.settle(writes[::3])
        self.app.monitor.on_tp_commit({TP(*place): end for place, end in cut.offsets.items()})
        self._less.set()

    async def _start_over(self, cut: Cut, failed: BaseException) -> None:
        """Whether the transaction was committed is not known: the producer goes, the rows are read back."""
        if self._failed_commits >= self.options.commit_attempts:
            await self.crash(
                Stopped(
                    f"nothing could be committed {self._failed_commits} times in a row, the last time with: {failed}"
                )
            )
        log.warning("a commit failed (%r); reading the tables back", failed)
        if isinstance(failed, TimeoutError):
            del (
                self._keeper
            )  # its thread may be in there for ever; the next has the same transactional id and fences it
        for output in cut.outputs:
            if output[-1] is not None:
                output[-1].failed(failed)
        if self._fetcher is not None:
            self._fetcher.end(list(self.lanes))
        self._forget(list(self.shards))
        self._takeover.set()

    # -- events that fail

    async def failed(self, cursor: Cursor, why: Exception) -> None:
        """The events in hand leave no trace but their dead letters. Raises Stopped after too many."""
        batch, shard = cursor.batch, cursor.shard
        if batch.dropped:  # it is read again, here or elsewhere
            cursor.resting = True
            return
        for sent in shard.undo(cursor.number):
            if sent is not None:
                sent.failed(why)
        first = cursor.number - cursor.base
        for message in batch.messages[first : first + cursor.taken]:
            dead = self.options.dead_letter(_letter(message, why))
            if dead is not None and not isinstance(shard, Shadow):
                shard.outputs.append(
                    (cursor.number, dead.topic, dead.key, dead.value, dead.partition, 0, dead.headers, None)
                )
        cursor.number += cursor.taken
        cursor.taken = 1
        cursor.resting = True
        if not isinstance(why, Refused):
            self._count(cursor, why)

    def _count(self, cursor: Cursor, why: Exception) -> None:
        options, now = self.options, self._counted()
        self._failures = [event for event in self._failures if event > now - 1_000] + [now]
        row = self._failures[-options.failures_in_a_row :]
        if len(row) == options.failures_in_a_row and row[-1] - row[0] < options.failures_in_a_row:
            raise Stopped(f"{len(row)} events in a row failed in an agent's own code, the last with {why!r}")
        if len(self._failures) > max(options.failures_in_a_row, options.failures_share * 1_000):
            raise Stopped(
                f"{len(self._failures)} of the last 1,000 events failed in an agent's own code, the last with {why!r}"
            )

    def _counted(self) -> int:
        """Events so far, over all streams."""
        return sum(cursor.number & ((1 << 48) - 1) for cursor in self.cursors)

    async def _end_events(self, lanes: list[Lane]) -> None:
        """Until no stream is in the middle of an event of these."""
        going = set(map(id, lanes))
        while any(not c.resting and c.batch is not None and id(c.batch.lane) in going for c in self.cursors):
            for cursor in self.cursors:
                cursor.limit = 0
            await asyncio.sleep(QUIET)

    @Service.task
    async def _watch(self) -> None:
        """Ends the process when an event, a take-over or a spread group stands still."""
        limit = self.options.stuck_after
        seen: dict[Cursor, tuple[int, float]] = {}
        while not self.should_stop:
            await self.sleep(min(1.0, limit / 4))
            now = time.monotonic()
            for cursor in self.cursors:
                number, since = seen.get(cursor, (-1, now))
                if cursor.resting or number != cursor.number:
                    seen[cursor] = cursor.number, now
                elif now - since > limit:
                    place = cursor.batch.lane.place if cursor.batch is not None else ("?", 0)
                    await self.crash(
                        Stopped(f"an agent works on one event of {place[0]}/{place[1]} for more than {limit:.0f} s")
                    )
                    return
            if self._stepped and now - self._stepped > limit:
                await self.crash(Stopped(f"taking partitions over stands still for more than {limit:.0f} s"))
                return
            if self._spread_since and now - self._spread_since > SPREAD:
                await self.crash(Stopped("partitions of one number are with different workers: "
                                         "all workers of an app must read the same topics"))  # fmt: skip
                return

    # -- what Faust asks

    def assignment(self) -> set[TP]:
        return {TP(*place) for place in self.owned}

    def ready(self) -> bool:
        """Whether every partition of this process is recovered and read."""
        return bool(self.owned) and {number for _, number in self.owned} <= self.shards.keys()

    def next_of(self, topic: str, partition: int) -> int:
        """The offset behind everything that is in the tables, of a partition that is ours; else 0."""
        shard = self.shards.get(partition)
        return max(0, shard.next.get(topic, 0)) if shard is not None else 0

    def committed_all(self) -> bool:
        """Whether nothing that was handed out is left to do or to commit."""
        moved = any(
            shard.committed.get(topic) != end for shard in self.shards.values() for topic, end in shard.next.items()
        )
        return not moved and not any(lane.pending for lane in self.lanes.values())

    async def position(self, tp: TP) -> int | None:
        return self.next_of(tp.topic, tp.partition)

    def highwater(self, tp: TP) -> int:
        """The last end of the partition that the broker told."""
        if self._fetcher is None or (tp.topic, tp.partition) not in self.lanes:
            return 0
        return max(0, self._fetcher.end_of((tp.topic, tp.partition)))

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        ends = await self._ask(self.cluster.ends, [(tp.topic, tp.partition) for tp in partitions])
        return {TP(*place): end for place, end in ends.items()}

    def topic_partitions(self, topic: str) -> int | None:
        return self.partitions.get(topic)

    async def on_task_error(self, exc: BaseException) -> None:
        """The agent itself has dealt with it."""

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        return partition if partition is not None else self.app.producer.partition_of(topic, key)

    async def create_topic(self, topic: str, partitions: int, replication: int, **more: Any) -> None:
        await self.app.producer.create_topic(topic, partitions, replication, **more)

    @property
    def transactions(self) -> Any:
        return self.app.producer

    @transactions.setter
    def transactions(self, _: Any) -> None: ...

    @property
    def unacked(self) -> set[Any]:
        return set()

    async def perform_seek(self) -> None: ...
    async def seek(self, partition: TP, offset: int) -> None:
        raise NotImplementedError("a worker starts from the position in its tables; seeking would count events twice")

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        await self.seek(next(iter(partitions)), 0)

    async def getmany(self, timeout: float) -> Any:  # noqa: ASYNC109
        raise NotImplementedError("records are delivered to agents, in batches")
        yield  # type: ignore[unreachable]

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        raise NotImplementedError("ask the broker with an admin client")

    def track_message(self, message: Any) -> None: ...
    def ack(self, message: Any) -> bool:
        return False

    def stop_flow(self) -> None: ...
    def resume_flow(self) -> None: ...
    def pause_partitions(self, tps: Iterable[TP]) -> None: ...
    def resume_partitions(self, tps: Iterable[TP]) -> None: ...
    def close(self) -> None: ...
    def verify_recovery_event_path(self, now: float, tp: TP) -> None: ...
    def on_buffer_full(self, tp: TP) -> None: ...
    def on_buffer_drop(self, tp: TP) -> None: ...


def _close(shard: Shard) -> None:
    for rows in shard.rows:
        rows.close()


def _letter(message: Message, why: BaseException) -> Letter:
    given: Any = message.headers() or []
    headers = [(name, value or b"") for name, value in given]
    return Letter(message.topic(), message.partition(), message.offset(), message.key(), message.value(), headers, why)  # type: ignore[arg-type]


def _fenced(failed: BaseException) -> None:
    """Raises Stopped when another process has taken this one's name."""
    error: Any = failed.args[0] if failed.args else None
    if isinstance(failed, KafkaException) and error.name() in FENCED:
        raise Stopped("another worker runs under the same instance name; give each its own") from failed
