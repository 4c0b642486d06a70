"""What Faust calls the consumer: it joins the group, has the parts of the engine work together, and answers Faust.

Runs in the app's event loop. Three threads help it: one is the group's member, one fetches, one commits and reads back.
The last one reads what a cut holds and writes RocksDB; rows in memory, lanes and streams are the loop's alone.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException
from faust.types import TP
from faust.types.transports import ConsumerT
from mode import Service

from streams.engine import client
from streams.engine.batch import CLOSED
from streams.engine.delivery import Delivery
from streams.engine.failures import Failures
from streams.engine.fetch import Fetcher
from streams.engine.membership import Membership
from streams.engine.ownership import Ownership
from streams.engine.recovery import Place
from streams.engine.rows import Rows
from streams.engine.shard import Cursor, Log, Shard, current
from streams.engine.work import Stopped, Work

log = logging.getLogger("engine")

KNOWN_WITHIN = 5.0  # seconds until all brokers know of a topic that somebody may just have made
MADE_WITHIN = 30.0  # seconds until they know of one that was made


class Consumer(Service, ConsumerT):
    """Owns the partitions of this process."""

    app: Any
    transport: Any
    logger = log

    def __init__(self, transport: Any, callback: Any = None, on_partitions_revoked: Any = None,
                 on_partitions_assigned: Any = None, *, loop: Any = None, **kwargs: Any) -> None:  # fmt: skip
        super().__init__(loop=loop, **kwargs)
        self.transport, self.app = transport, transport.app
        self.options = self.app.engine
        self.in_transaction = self.app.exactly
        self.randomly_assigned_topics: set[str] = set()
        self.commit_interval = self.options.commit_interval
        self.cluster = client.Cluster(transport.configuration, self.app.conf.id)
        self.work = Work()
        self.delivery = Delivery(self.work, self.options)
        self.failures = Failures(self.work, self.options)
        self.ownership = Ownership(
            self.app, self.cluster, self.work, self.delivery, self.commit, lambda: bool(self.should_stop)
        )
        self.commits = self.ownership.commits

    # -- starting and stopping

    async def on_start(self) -> None:
        self.work.shards.clear()
        sys.setswitchinterval(0.001)  # a committing thread asks for the interpreter some ten times a commit
        gc.collect()
        gc.freeze()  # records are many and hold no cycles: with default thresholds looking for some takes a fifth of the time
        gc.set_threshold(100_000, 20, 50)

    def bench(self) -> None:
        """Without a worker, as in `agent.test_context()`, tables have rows of one partition that nobody commits."""
        if self.feeds:
            return
        tables = self.app.tables.numbered
        shard = self.work.shards.setdefault(0, Shard(0, []))
        for table in tables[len(shard.rows) :]:
            shard.rows.append(Rows(table.codec))
            shard.logs.append(Log())
        cursor = Cursor()
        cursor.enter(shard)
        current.set(cursor)

    @property
    def feeds(self) -> bool:
        """Whether streams over topics get their batches from here."""
        return bool(self.started)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Joins the group, or tells it other topics. Raises Stopped when one does not exist."""
        owner = self.ownership
        owner.topics = set(topics)
        owner.partitions = await self._partitions(owner.topics)
        if not owner.topics:
            self.app.tables.recovered(set())
            return
        if self.commits.member is None:
            await self.commits.begin()
            self.commits.member = self._start_threads()
        self.commits.member.subscribe(owner.topics)

    async def _partitions(self, wanted: set[str]) -> dict[str, int]:
        """Number of partitions of every topic. Not all brokers know at once of one that was made: the app's own, which were, are
        waited for longer. Raises Stopped when one does not exist."""
        own = {name for topic in self.app.topics if topic.internal for name in topic.topics}
        began = time.monotonic()
        while True:
            partitions: dict[str, int] = await self.ask(self.cluster.partitions)
            missing = wanted - partitions.keys()
            if not missing:
                return partitions
            if time.monotonic() - began > (MADE_WITHIN if missing <= own else KNOWN_WITHIN):
                raise Stopped(f"{', '.join(sorted(missing))}: no such topic on the broker; create it, then start again")
            await asyncio.sleep(self.options.retry_every)

    def _start_threads(self) -> Membership:
        conf, options, loop = self.app.conf, self.options, self.loop
        base = self.transport.configuration
        read = client.reader(base, conf.id, conf.consumer_auto_offset_reset, True, options.prefetch_kb)

        def arrived() -> None:
            loop.call_soon_threadsafe(self.delivery.wake.set)

        fetcher = self.delivery.fetcher = Fetcher(read, options, arrived)
        member = Membership(client.member(base, conf.id), self._given, self._taken, self._member_failed)
        fetcher.start()
        member.start()
        return member

    def _given(self, places: list[Place]) -> None:
        asyncio.run_coroutine_threadsafe(self._or_crash(self.ownership.given(places)), self.loop)

    def _taken(self, places: list[Place], lost: bool) -> Any:
        return asyncio.run_coroutine_threadsafe(self._or_crash(self.ownership.taken(places, lost)), self.loop)

    async def _or_crash(self, dealt_with: Awaitable[None]) -> None:
        """The member's thread cannot tell anybody what failed."""
        try:
            await dealt_with
        except Exception as failed:
            await self.crash(failed)

    def _member_failed(self, failed: BaseException) -> None:
        why = f"membership in the group failed: {failed}; the broker must be Apache Kafka 4.0 or newer"
        asyncio.run_coroutine_threadsafe(self.crash(Stopped(why)), self.loop)

    async def on_stop(self) -> None:
        if (member := self.commits.member) is not None:
            member.stop()
            await asyncio.to_thread(member.join, 30)
        if (fetcher := self.delivery.fetcher) is not None:
            fetcher.stop()
            await asyncio.to_thread(fetcher.join, 10)
        await self.ownership.close_replayed()
        self.commits.end()
        for shard in self.work.shards.values():
            shard.close()
        self.work.shards.clear()
        self.cluster.close()
        gc.unfreeze()

    async def wait_empty(self) -> None:
        """The app stops: what is done is committed, what is not begun is left to others."""
        self.stop_flow()
        await self.work.end_events(self.work.lanes.values())
        await self.commit()

    async def ask(self, question: Any, *args: Any) -> Any:
        """Off the loop; again while the broker is away."""
        while True:
            try:
                return await asyncio.to_thread(question, *args)
            except KafkaException as away:
                if self.should_stop:
                    raise
                log.warning("the broker does not answer (%s); asking again", away)
                await asyncio.sleep(self.options.retry_every)

    # -- what it does all the time; what ends one of these ends the process

    @Service.task
    async def _deliver(self) -> None:
        await self.delivery.run(lambda: bool(self.should_stop))

    @Service.task
    async def _commit_in_time(self) -> None:
        await self.commits.run(lambda: bool(self.should_stop))

    @Service.task
    async def _take_over(self) -> None:
        await self.ownership.run()

    @Service.task
    async def _watch(self) -> None:
        """Ends the process when an event, a take-over or a spread group stands still."""
        limit = self.options.stuck_after
        seen: dict[Cursor, tuple[int, float]] = {}
        while not self.should_stop:
            await self.sleep(min(1.0, limit / 4))
            now = time.monotonic()
            for cursor in self.work.cursors:
                number, since = seen.get(cursor, (-1, now))
                if cursor.resting or number != cursor.number or self.options.long_events:
                    seen[cursor] = cursor.number, now
                elif now - since > limit:
                    place = cursor.batch.lane.place if cursor.batch is not None else ("?", 0)
                    raise Stopped(f"an agent works on one event of {place[0]}/{place[1]} for more than {limit:.0f} s")
            if self.commits.stepped and now - self.commits.stepped > limit:
                raise Stopped(f"taking partitions over stands still for more than {limit:.0f} s")
            if self.ownership.spread:
                raise Stopped("partitions of one number are with different workers: "
                              "all workers of an app must read the same topics")  # fmt: skip

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commits all that is done. False when there was nothing, or when it failed and the rows are read back."""
        try:
            return await self.commits()
        except Stopped as stopped:  # here, because not everyone who commits can tell
            await self.crash(stopped)
            return False

    force_commit = commit

    # -- what Faust asks

    def assignment(self) -> set[TP]:
        return {TP(*place) for place in self.ownership.owned}

    def ready(self) -> bool:
        """Whether every partition of this process is read back and worked on."""
        return self.ownership.ready

    def wants(self, topic: str, partition: int) -> bool:
        """Whether an event in hand is to be finished here: not when its partition goes, or the app stops."""
        lane = self.work.lanes.get((topic, partition))
        return lane is not None and lane.start != CLOSED

    def next_of(self, topic: str, partition: int) -> int:
        """The offset behind everything that is in the tables, of a partition that is ours; else 0."""
        shard = self.work.shards.get(partition)
        return max(0, shard.next.get(topic, 0)) if shard is not None else 0

    def committed_all(self) -> bool:
        """Whether nothing that was handed out is left to do or to commit, or is being committed."""
        moved = any(
            shard.committed.get(topic) != end
            for shard in self.work.shards.values()
            for topic, end in shard.next.items()
        )
        return self.commits.settled and not moved and not any(lane.pending for lane in self.work.lanes.values())

    async def position(self, tp: TP) -> int | None:
        return self.next_of(tp.topic, tp.partition)

    def highwater(self, tp: TP) -> int:
        """The last end of the partition that the broker told."""
        fetcher = self.delivery.fetcher
        if fetcher is None or (tp.topic, tp.partition) not in self.work.lanes:
            return 0
        return max(0, fetcher.end_of((tp.topic, tp.partition)))

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        ends = await self.ask(self.cluster.ends, [(tp.topic, tp.partition) for tp in partitions])
        return {TP(*place): end for place, end in ends.items()}

    def ends(self, places: list[Place]) -> dict[Place, int]:
        """Last stable offsets. Waits for the broker; raises KafkaException."""
        return dict(self.cluster.ends(places, stable=True)) if places else {}

    def topic_partitions(self, topic: str) -> int | None:
        return self.ownership.partitions.get(topic)

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

    def stop_flow(self) -> None:
        """The app stops: nothing is begun any more."""
        for lane in self.work.lanes.values():
            lane.drop()

    def resume_flow(self) -> None: ...
    def pause_partitions(self, tps: Iterable[TP]) -> None: ...
    def resume_partitions(self, tps: Iterable[TP]) -> None: ...
    def close(self) -> None: ...
    def verify_recovery_event_path(self, now: float, tp: TP) -> None: ...
    def on_buffer_full(self, tp: TP) -> None: ...
    def on_buffer_drop(self, tp: TP) -> None: ...
