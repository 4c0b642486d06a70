"""Exactly once, on a simulated log: two workers are interleaved, killed, stopped and continued at every step of a commit
and of a take-over, and the tables and outputs equal the truth. The engine's own code runs here; planted bugs are found."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.engine.codec import codec
from streams.engine.recovery import Recovery
from streams.engine.rows import GONE, Rows
from streams.engine.shard import Cursor, Shard
from streams.engine.transaction import TURNS, Changelog, Cut, Keeper
from tests.simulated import ABORTED, COMMITTED, OPEN, Asked, Broker, Entry, Producer, Reader, Transaction

PARTITIONS, KEYS, FAR = 2, 3, 1 << 60
IN, OUT, LOG = "in", "out", "log"
JSON = codec("json", "json", None, None, None, None)
STEPS = int(os.environ.get("SOULFRA_SIMULATED_STEPS", "100000"))
Kit = dict[str, Any]  # parts of the engine, of which a planted bug replaces one
ENGINE: Kit = {"keeper": Keeper, "recovery": Recovery, "asked": Asked, "read_committed": True}


class Worker:
    """One process: what it does at each step of the schedule; its memory is gone when it is killed."""

    def __init__(self, broker: Broker, name: int, chance: random.Random, kit: Kit) -> None:
        self.broker, self.name, self.chance, self.kit = broker, name, chance, kit
        self.born()

    def born(self) -> None:
        self.shards: dict[int, Shard] = {}
        self.generation: Any = None
        self.owned: dict[int, int] = {}  # partition number, and under which epoch it was given
        self.keeper = self.kit["keeper"]([Changelog(LOG, JSON)], True, self._new_producer)
        self.task: Iterator[str] | None = None
        self.at = ""  # the step that it has taken last
        self.cursor = Cursor()
        self.broker.join(self.name)

    def _new_producer(self, number: int, reported: Any) -> Producer:
        return Producer(self.broker, f"app-{self.name}-{number}")

    # -- the group, as the member thread tells it

    def told(self) -> None:
        """The loss of partitions first, then the generation, as the engine's membership does."""
        broker = self.broker
        mine = {number: broker.given[number] for number, owner in broker.owner.items() if owner == self.name}
        for number, epoch in self.owned.items():
            if mine.get(number) != epoch:
                self.shards.pop(number, None)
        self.owned = mine
        if self.name in self.broker.members:
            self.generation = self.name, self.broker.members[self.name].epoch
        else:
            self.shards.clear()
            self.broker.join(self.name)
            self.generation = None

    # -- one step

    def step(self) -> None:
        if self.task is None:
            self.told()
            self.task = self._work()
        try:
            self.at = next(self.task)
        except StopIteration:
            self.task, self.at = None, ""
        except KafkaException:  # whether it was committed is not known: everything is read back
            self.task = None
            self.shards.clear()

    def _work(self) -> Iterator[str]:
        missing = {number: epoch for number, epoch in self.owned.items() if number not in self.shards}
        if missing:
            shards = [Shard(number, [Rows(JSON)]) for number in sorted(missing)]
            sources = {number: [IN] for number in missing}
            reader = lambda: Reader(self.broker, self.chance, self.kit["read_committed"])  # noqa: E731
            yield from self.keeper.take_over(
                self.kit["recovery"](shards, self.keeper.changelogs, sources, self.kit["asked"](self.broker), reader)
            )
            self.told()
            for shard in shards:
                if self.owned.get(shard.number) == missing[shard.number]:  # not taken away in the meantime
                    shard.committed = dict(shard.next)
                    self.shards[shard.number] = shard
            yield "taken over"
        for _ in range(self.chance.randrange(4)):
            self._fold_some()
            yield "folded"
        cut = Cut(self.generation)
        for shard in self.shards.values():
            cut.add(shard)
        if cut:
            if self.chance.random() < 0.1 and self.keeper.producer is not None:
                self.keeper.producer.end_is_unknown = self.chance.choice([COMMITTED, ABORTED, OPEN])
            yield from self.keeper.commit(cut)

    def _fold_some(self) -> None:
        for shard in self.shards.values():
            start = max(0, shard.next.get(IN, 0))
            for offset, entry in self.broker.visible((IN, shard.number), start, FAR)[: self.chance.randrange(1, 5)]:
                self.cursor.enter(shard)
                self._fold(shard, entry)
                shard.next[IN] = offset + 1
                self.cursor.number += 1

    def _fold(self, shard: Shard, entry: Entry) -> None:
        """Counts, sends the count, and fails on some events after it has done both."""
        key, number = entry.key, self.cursor.number
        rows = shard.rows[0]
        shard.logs[0].note(key, rows.get(key, 0) + 1, rows.get(key, GONE), number)
        rows[key] = rows.get(key, 0) + 1
        shard.outputs.append((number, OUT, key, entry.value, shard.number, 0, None, None))
        if entry.value % 7 == 3:
            self.kit.get("undo", Shard.undo)(shard, number)
            shard.outputs.append((number, f"{IN}.dlq", key, entry.value, shard.number, 0, None, None))


class World:
    """A schedule of chance over two workers and a broker."""

    def __init__(self, seed: int, kit: Kit) -> None:
        self.chance = random.Random(seed)
        self.broker = Broker(PARTITIONS)
        self.workers = [Worker(self.broker, n, self.chance, kit) for n in range(2)]
        self.asleep: set[int] = set()
        self.sent = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.happens()
        self.settle()

    def happens(self) -> None:
        chance, broker = self.chance.random(), self.broker
        worker = self.chance.choice(self.workers)
        if broker.open and self.chance.random() < 0.3:
            broker.mark(self.chance.choice(list(broker.open)))
        if chance < 0.15:
            self.send()
        elif chance < 0.19:  # kill -9, and started again; the group may not have noticed yet
            worker.born()
            self.asleep.discard(worker.name)
        elif chance < 0.23:
            broker.give(self.chance.randrange(PARTITIONS), self.chance.choice(list(broker.members) or [0]))
        elif chance < 0.26:  # SIGSTOP
            self.asleep.add(worker.name)
        elif chance < 0.30:  # SIGCONT
            self.asleep.discard(worker.name)
        elif chance < 0.33 and self.asleep:  # silent for longer than the session: its transaction was ended before
            name = self.chance.choice(sorted(self.asleep))
            self._abort(name)
            broker.leave(name)
        elif chance < 0.36 and worker.keeper.producer is not None:
            self._wire(worker)
        elif chance < 0.42 and worker.at in ("flushed", "offered"):
            self._worst(worker)
        elif worker.name not in self.asleep:
            worker.step()

    def _worst(self, worker: Worker) -> None:
        """In the middle of a commit its partitions go to the other worker, which begins to take them over."""
        other = self.workers[1 - worker.name]
        if other.name in self.broker.members and other.name not in self.asleep:
            for number in list(worker.owned):
                self.broker.give(number, other.name)
            for _ in range(self.chance.randrange(1, 12)):
                other.step()

    def _wire(self, worker: Worker) -> None:
        """Some records of a flush that is under way arrive."""
        try:
            worker.keeper.producer.deliver(self.chance.randrange(3))
        except KafkaException:
            worker.keeper.producers.clear()
            worker.task = None
            worker.shards.clear()

    def _abort(self, worker: int) -> None:
        for number in range(TURNS):
            self.broker.close(f"app-{worker}-{number}", ABORTED)

    def send(self) -> None:
        key = f"k{self.chance.randrange(KEYS)}"
        within = None if self.chance.random() < 0.8 else Transaction(self.chance.choice([COMMITTED, ABORTED]))
        self.broker.append((IN, self.chance.randrange(PARTITIONS)), Entry(key, self.sent, within))
        self.sent += 1

    def settle(self) -> None:
        """Everybody is awake, one worker has everything, and works until nothing is left."""
        self.asleep.clear()
        other, last = self.workers
        if other.name in self.broker.members:
            self.broker.leave(other.name)
        self._abort(other.name)
        if last.name not in self.broker.members:
            last.born()
        for number in range(PARTITIONS):
            self.broker.give(number, last.name)
        for _ in range(4000):
            last.step()
            for name in self.broker.open:
                self.broker.mark(name)
            if last.task is None and self.over(last):
                return
        raise AssertionError("the worker does not come to an end")

    def over(self, worker: Worker) -> bool:
        ends = [max((at + 1 for at, _ in self.broker.visible((IN, n), 0, FAR)), default=0) for n in range(PARTITIONS)]
        return all(
            n in worker.shards and max(0, worker.shards[n].committed.get(IN, 0)) >= end for n, end in enumerate(ends)
        )

    # -- the truth

    def check(self) -> None:
        for number in range(PARTITIONS):
            seen = [entry for _, entry in self.broker.visible((IN, number), 0, FAR)]
            good = [entry for entry in seen if entry.value % 7 != 3]
            truth = Counter(entry.key for entry in good)
            assert self._table(number) == truth, "the changelog differs from the truth"
            assert self._values(OUT, number) == Counter(entry.value for entry in good), "outputs were lost or doubled"
            bad = Counter(entry.value for entry in seen if entry.value % 7 == 3)
            assert self._values(f"{IN}.dlq", number) == bad, "dead letters were lost or doubled"

    def _table(self, number: int) -> dict[str, int]:
        table: dict[str, int] = {}
        for _, entry in self.broker.visible((LOG, number), 0, FAR):
            if not entry.key.startswith(b"@"):
                key = json.loads(entry.key)
                table.pop(key, None) if entry.value is None else table.update({key: json.loads(entry.value)})
        return table

    def _values(self, topic: str, number: int) -> Counter[int]:
        return Counter(entry.value for _, entry in self.broker.visible((topic, number), 0, FAR))


def survives(seed: int, kit: Kit = ENGINE, steps: int = 400) -> None:
    world = World(seed, kit)
    world.run(steps)
    world.check()


@settings(max_examples=STEPS // 400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=False)
@given(seed=st.integers(0, 2**32))
def test_tables_and_outputs_equal_the_truth_whatever_happens(seed: int) -> None:
    survives(seed)


# -- planted bugs: each is one line that somebody could write, and each must be found


class OffersFirst(Keeper):
    """The group is asked before everything is in the log."""

    def _steps(self, cut: Cut) -> Iterator[str]:
        self.producer.begin_transaction()
        yield "begun"
        self._produce(cut)
        self._offer(cut)
        yield "offered"
        self._flush()
        yield "flushed"
        self.producer.commit_transaction(1)
        yield "committed"


class NotFenced(Keeper):
    """The group is not asked."""

    def _offer(self, cut: Cut) -> None:
        self.producer.within.offsets |= cut.offsets


class FreshGeneration(Keeper):
    """The group is asked under whatever generation it has now."""

    def _offer(self, cut: Cut) -> None:
        member = cut.generation[0] if cut.generation else -1
        broker = self.producer.broker
        if member in broker.members:
            cut.generation = member, broker.members[member].epoch
        super()._offer(cut)


class CommitsEarly(Keeper):
    """Outputs are committed, then rows and offsets."""

    def _steps(self, cut: Cut) -> Iterator[str]:
        yield from super()._steps(Cut(cut.generation, outputs=cut.outputs))
        yield from super()._steps(Cut(cut.generation, cut.offsets, cut.changes, [], cut.positions))


class KeepsTheProducer(Keeper):
    """An end that timed out counts as an end that did not happen."""

    def commit(self, cut: Cut) -> Iterator[str]:
        try:
            yield from super().commit(cut)
        except KafkaException as failed:
            if failed.args[0].name() != "_TIMED_OUT":
                raise
            yield from super().commit(cut)


class LateFence(Keeper):
    """The ends of the changelogs are asked for before the own open transaction is ended."""

    def take_over(self, recovery: Any) -> Iterator[str]:
        yield from recovery.run()
        if not self.producers:
            self._begin()
            yield "fenced"


class NoPosition(Keeper):
    """The position is not written with the rows, so the group's offset has to do."""

    def _steps(self, cut: Cut) -> Iterator[str]:
        cut.positions = []
        yield from super()._steps(cut)


class EndsEarly(Asked):
    """A recovery ends at the last stable offset, and does not wait for open transactions."""

    def ends(self, places: list[Any]) -> dict[Any, int]:
        return {place: self.broker.stable(place) for place in places}


class NoPositionCheck(Recovery):
    """A worker starts where the group's offset was when it was given the partitions, stable or not."""

    def run(self) -> Iterator[str]:
        found = {shard: self.asked.broker.offsets.get((IN, shard.number), -1) for shard in self.shards}  # type: ignore[attr-defined]
        yield "offsets known"
        yield from super().run()
        for shard, offset in found.items():
            shard.next[IN] = offset


class FencesOne(Keeper):
    """The open transaction of the second producer's earlier life is not ended."""

    def _begin(self) -> None:
        made = [self._new_producer(number, None) for number in range(TURNS)]
        made[0].init_transactions(1)
        made[1].epoch = made[1].broker.epochs[made[1].name]
        self.producers.extend(made)


def no_undo(shard: Shard, event: int) -> list[Any]:
    """What a failed event wrote stays."""
    shard.outputs[:] = [output for output in shard.outputs if output[0] != event]
    return []


def half_undo(shard: Shard, event: int) -> list[Any]:
    """What a failed event sent stays."""
    outputs = list(shard.outputs)
    Shard.undo(shard, event)
    shard.outputs[:] = outputs
    return []


BUGS: dict[str, Kit] = {
    "offers before it flushes": {"keeper": OffersFirst},
    "no fencing by the group": {"keeper": NotFenced},
    "a fresh generation for old records": {"keeper": FreshGeneration},
    "two transactions for one cut": {"keeper": CommitsEarly},
    "a producer kept after a time-out": {"keeper": KeepsTheProducer},
    "init_transactions after the ends are asked": {"keeper": LateFence},
    "init_transactions of one of two": {"keeper": FencesOne},
    "no position": {"keeper": NoPosition},
    "early end of recovery": {"asked": EndsEarly},
    "no position check": {"recovery": NoPositionCheck},
    "recovery reads uncommitted records": {"read_committed": False},
    "no undo of rows": {"undo": no_undo},
    "no undo of outputs": {"undo": half_undo},
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    kit = ENGINE | BUGS[bug]
    for seed in range(2000):
        try:
            survives(seed, kit, steps=300)
        except AssertionError:
            return
    raise AssertionError(f"{bug}: not found in {2000} schedules")
