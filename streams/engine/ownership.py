"""Partitions come and go: what is theirs is read back before they are worked on, and committed before they are given away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer as Client
from faust.types import TP

from streams.engine import client
from streams.engine.batch import Lane
from streams.engine.commits import FAILURES, Commits
from streams.engine.delivery import Delivery
from streams.engine.halt import Halt
from streams.engine.recovery import HeldBack, Place, Recovery, Recreated
from streams.engine.rows import Rows, StoredRows
from streams.engine.shard import Shard
from streams.engine.work import Stopped, Work

log = logging.getLogger("engine")

LOST = RuntimeError("it was not sent: its partition was taken away or is read back, and the event is worked on again")
SPREAD = 30.0  # seconds that partitions of one number may be spread over the group


class Ownership:
    """`owned` are the places that the group gave us; `partitions` their number, by topic, of all topics of the cluster."""

    def __init__(
        self,
        app: Any,
        cluster: client.Cluster,
        work: Work,
        delivery: Delivery,
        commit: Callable[[], Awaitable[Any]],
        stopping: Callable[[], bool],
    ) -> None:
        self.app, self.options, self.cluster = app, app.engine, cluster
        self.work, self.delivery, self._commit, self._stopping = work, delivery, commit, stopping
        self.commits = Commits(app, work, delivery, self.lose)
        self.topics: set[str] = set()
        self.partitions: dict[str, int] = {}
        self.owned: set[Place] = set()
        self.remaining: dict[Place, int] = {}  # records of each changelog still to be read
        self.held = ""  # which transactions of others a take-over waits for, longer than it should have to
        self.recovery_seconds = 0.0  # that the last take-over took
        self._waiting = asyncio.Event()  # shards may be complete that are not read back
        self._spread_since = 0.0
        self._losses: Counter[int] = Counter()  # how often each partition number was taken from us
        self._halts: dict[Place, Halt] = {}  # where partitions stopped whose shards are read back for it
        self._replayed: list[Shard] = []  # no longer kept; a commit under way may still write to their stores

    @property
    def ready(self) -> bool:
        """Whether every partition of this process is read back and worked on."""
        return bool(self.owned) and {number for _, number in self.owned} <= self.work.shards.keys()

    @property
    def spread(self) -> bool:
        """Whether partitions of one number are with different workers, and stay there."""
        return bool(self._spread_since) and time.monotonic() - self._spread_since > SPREAD

    @property
    def halted(self) -> dict[Place, str]:
        """The partitions that stopped in front of an event which this process cannot work on yet, a sentence each."""
        lanes = list(self.work.lanes.values())  # other threads ask too
        return {lane.place: lane.halted.sentence(lane.place) for lane in lanes if lane.halted is not None}

    # -- what the group says

    async def given(self, places: list[Place]) -> None:
        self.app.on_rebalance_start()
        self.owned |= set(places)  # at once: `taken` may come in between
        self._try_again(places)
        again = {number for _, number in places} & self.work.shards.keys()
        if again:  # a topic more, for partitions that are at work
            await self._let_go(again)
            self._forget(again)
        await self._tell_faust(set(), places)
        self._waiting.set()

    async def taken(self, places: list[Place], lost: bool) -> None:
        """What is done in them is committed first, unless they are lost already."""
        self.app.on_rebalance_start()
        numbers = {number for _, number in places}
        self._losses.update(numbers)
        await self._let_go(numbers, lost)
        self.owned -= set(places)
        self._try_again(places)
        self._forget(numbers)
        await self._tell_faust(set(places), [])
        self._rebalanced()
        self._waiting.set()

    async def _let_go(self, numbers: set[int], lost: bool = False) -> None:
        """Stops reading them; commits what is done, unless they are lost."""
        going = [lane for place, lane in self.work.lanes.items() if place[1] in numbers]
        if self.delivery.fetcher is not None:
            self.delivery.fetcher.end([lane.place for lane in going])
        for lane in going:
            lane.drop()
        if lost:
            await self.commits.under_way()  # it writes to their stores
        else:
            await self.work.end_events(going)
            await self._commit()

    def lose(self) -> None:
        """Nobody knows what was committed: everything is read back."""
        if self.delivery.fetcher is not None:
            self.delivery.fetcher.end(list(self.work.lanes))
        self._forget(list(self.work.shards))
        self._waiting.set()

    def replay(self, place: Place, halt: Halt) -> None:
        """Stops a partition in front of an event, when some agents of the topic have not come as far and others are behind it:
        what all did since the last commit is undone by reading the rows back, then the partition is read up to the event."""
        self._halts[place] = min(self._halts.get(place, halt), halt)
        number, work = place[1], self.work
        going = [work.lanes.pop(lane.place) for lane in list(work.lanes.values()) if lane.place[1] == number]
        if self.delivery.fetcher is not None:
            self.delivery.fetcher.end([lane.place for lane in going])
        for lane in going:
            lane.forget()
        shard = work.shards.pop(number)
        shard.fail(LOST)
        self._replayed.append(shard)
        self.delivery.told_less()
        self._waiting.set()

    async def close_replayed(self) -> None:
        await self.commits.under_way()
        while self._replayed:
            self._replayed.pop().close()

    def _try_again(self, places: Iterable[Place]) -> None:
        for place in places:
            self._halts.pop(place, None)

    def _forget(self, numbers: Iterable[int]) -> None:
        """These shards are no longer kept here."""
        work = self.work
        for number in set(numbers):
            for place in [place for place in work.lanes if place[1] == number]:
                work.lanes.pop(place).drop()
            shard = work.shards.pop(number, None)
            if shard is not None:
                shard.fail(LOST)
                shard.close()
        self.delivery.told_less()

    # -- reading back

    async def run(self) -> None:
        """Takes over the shards that are ours and complete, all that wait at once. Raises Stopped."""
        while not self._stopping():
            await self._waiting.wait()
            self._waiting.clear()
            if self._replayed:
                await self.close_replayed()
            numbers = self._complete()
            if not numbers:
                if not self.owned:  # more workers than partitions: this one has nothing to read back
                    self.app.tables.recovered(set())
                    self._rebalanced()
                continue
            try:
                await self._take_over(numbers)
            except Recreated as recreated:
                raise Stopped(f"{recreated}; its events are gone: restore it, or begin with new tables") from None
            except HeldBack as held:
                raise Stopped(str(held)) from held
            except FAILURES as away:
                log.warning("partitions cannot be taken over yet (%s); trying again", away)
                self.cluster.renew()
                await asyncio.sleep(self.options.retry_every)
                self._waiting.set()

    def _complete(self) -> list[int]:
        """Numbers whose partition of every topic is ours: rows of one number must have one owner."""
        mine: dict[int, set[str]] = {}
        for topic, number in self.owned:
            mine.setdefault(number, set()).add(topic)
        waiting = {number: topics for number, topics in mine.items() if number not in self.work.shards}
        whole = [number for number, topics in waiting.items() if topics == self._topics_of(number)]
        if len(whole) == len(waiting):
            self._spread_since = 0.0
        elif not self._spread_since:
            self._spread_since = time.monotonic()
        return sorted(whole)

    def _topics_of(self, number: int) -> set[str]:
        return {topic for topic in self.topics if self.partitions.get(topic, 0) > number}

    async def _take_over(self, numbers: list[int]) -> None:
        tables = self.app.tables.numbered
        shards = [Shard(number, [self._rows(table, number) for table in tables]) for number in numbers]
        sources = {number: sorted(self._topics_of(number)) for number in numbers}
        changelogs = self.commits.keeper.changelogs
        patience = self.options.transaction_timeout + self.options.held_back
        recovery = Recovery(shards, changelogs, sources, self.cluster, self._reader, self._stopping, patience)

        def watch() -> None:
            self.remaining, self.held = recovery.remaining, recovery.held

        before, began = Counter(self._losses), time.perf_counter()
        try:
            await self.commits.take_over(recovery, watch)
        except BaseException:
            for shard in shards:
                shard.close()
            raise
        self.remaining, self.held, self.recovery_seconds = {}, "", time.perf_counter() - began
        for shard in shards:
            topics = sorted(self._topics_of(shard.number))
            if (
                self._losses[shard.number] != before[shard.number]
                or topics != sources[shard.number]
                or self._stopping()
            ):
                shard.close()  # taken away in the meantime, and possibly given again, perhaps with a topic more
                self._waiting.set()
            else:
                self._begin(shard)
        self._rebalanced()
        self.app.tables.recovered({TP(*place) for place in self.owned})

    def _begin(self, shard: Shard) -> None:
        """The shard is read back; its sources are read from where its rows end."""
        self.work.shards[shard.number] = shard
        starts = {(topic, shard.number): offset for topic, offset in shard.next.items()}
        shard.next = {topic: offset for topic, offset in shard.next.items() if offset >= 0}
        shard.committed = dict(shard.next)
        fetcher = self.delivery.fetcher
        for place, start in fetcher.begin(starts).items() if fetcher is not None else ():
            lane = self.work.lanes[place] = Lane(place, shard, self._channels(place[0]), start)
            lane.until = self._halts.get(place)

    def _rows(self, table: Any, number: int) -> Rows:
        if table.stored:
            folder = Path(self.app.conf.tabledir) / f"{table.name}-{number}.rows"
            return StoredRows(table.codec, folder, self.options.cached_rows)
        return Rows(table.codec)

    def _reader(self) -> Any:
        """For one recovery."""
        base, group = self.app.transport.configuration, self.app.conf.id
        return Client(client.recoverer(base, group, self.options.prefetch_kb))

    # -- what Faust's own parts want to know

    def _channels(self, topic: str) -> list[Any]:
        """Those that streams read; a topic that was only declared has a queue that nobody empties."""
        return [channel for channel in self.app.topics._topics if channel.is_iterator and topic in channel.topics]

    def heard(self, topics: Iterable[str]) -> None:
        """Streams began or ended to read topics."""
        for place, lane in self.work.lanes.items():
            if place[0] in topics:
                lane.channels = self._channels(place[0])

    def _rebalanced(self) -> None:
        if self.app.rebalancing:
            self.app.on_rebalance_return()
            self.app.on_rebalance_end()

    async def _tell_faust(self, revoked: set[Place], given: list[Place]) -> None:
        """Agents, indices, signals."""
        app, assigned = self.app, {TP(*place) for place in self.owned}
        app.unassigned = not self.owned
        app.consumer_generation_id += 1
        before, newly = app._update_assignment(assigned)
        await app.agents.on_rebalance(before, newly)
        await app.topics.maybe_wait_for_subscriptions()
        await app.topics.on_partitions_assigned(assigned)
        if not app.flow_control.is_active():
            app.flow_control.resume()
        self.heard({topic for topic, _ in self.work.lanes})
        if revoked:
            await app.on_partitions_revoked.send({TP(*place) for place in revoked})
        if given:
            await app.on_partitions_assigned.send(assigned)
