"""Exactness on a real broker: workers are killed, stopped, continued and refused at every step of a commit while events
pour in, and afterwards tables, changelogs and outputs are compared with the source topic, key by key."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from cli.bench.table import Row
from cli.errors import Failed
from cli.local.kafka import Kafka
from cli.local.ports import free
from config import FAILPOINT
from streams.engine.hanging import OFFSETS, Hanging, Transactions

APP = "exact"
PARTITIONS, KEYS = 8, 2_000
STEPS = ("fenced", "begun", "produced", "flushed", "offered", "committed")
SESSION, KAFKAS_SESSION = 6.0, 45.0  # seconds after which a silent worker's partitions go to others: ours, Kafka's own
REACHED = 14.0  # seconds beyond a session that a worker has to come to a step
SETTLED = 120.0  # seconds that the rest may take when the last fault is over
HANGS = "stands still at offset"  # what a worker says that ends behind a hanging transaction


class Plan(NamedTuple):
    """What is done to how many."""

    events: int
    workers: int
    kills: int
    seed: int
    rate: int  # events a second
    store: str = "memory"  # or rocksdb
    broker_kills: int = 0  # 0: one for each fifty kills of workers, at least one
    paced: bool = True  # the broker notices a death as soon as ours on a laptop does; else with Kafka's own settings

    @property
    def stops(self) -> int:
        return max(1, self.kills // 20)

    @property
    def restarts(self) -> int:
        """Of the broker."""
        return self.broker_kills or max(1, self.kills // 50)

    @property
    def session(self) -> float:
        """Seconds."""
        return SESSION if self.paced else KAFKAS_SESSION


class Told(NamedTuple):
    """What came of it."""

    events: int
    kills: int
    stops: int
    restarts: int
    hanging: int  # transactions that the broker left in some partition, and that were ended
    lost: int  # outputs that are missing
    doubled: int  # outputs that are there more than once
    wrong: int  # keys whose row differs from the recount
    gap: float  # longest time without a committed output, seconds
    seconds: float


@dataclass
class Run:
    """One broker, its workers, the load and the faults."""

    plan: Plan
    folder: Path
    say: Callable[[str], None] = lambda _: None
    kills: int = 0
    hanging: int = 0
    copies: int = 1  # of each partition
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def go(self) -> Told:
        began = time.monotonic()
        self.chance = random.Random(self.plan.seed)
        self.kafka = Kafka(self.folder / "kafka", free(), free(), paced=self.plan.paced)
        try:
            self.cluster_starts()
            self._topics()
            watch = Watch(self.kafka.bootstrap)
            load = threading.Thread(target=self._load)
            load.start()
            for n in range(self.plan.workers):
                self._start(f"w{n}")
            self.faults()
            load.join()
            watch.wait_for(self.plan.events, self._mend)
            return self._compared(watch, time.monotonic() - began)
        finally:
            for process in self.workers.values():
                process.kill()
                process.wait(10)
            self.cluster_stops()

    def cluster_starts(self) -> None:
        self.kafka.start()

    def cluster_stops(self) -> None:
        self.kafka.stop()

    def _topics(self) -> None:
        compacted = {"cleanup.policy": "compact"}
        names = [(f"{APP}-in", {}), (f"{APP}-out", {}), (f"{APP}-totals-changelog", compacted)]
        new = [NewTopic(name, PARTITIONS, self.copies, config=config) for name, config in names]
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        for made in admin.create_topics(new).values():
            made.result()

    def _load(self) -> None:
        """The events, spread over the time of the faults."""
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "enable.idempotence": True, "acks": "all",
                             "partitioner": "murmur2_random", "message.timeout.ms": 120_000, "log_level": 0})  # fmt: skip
        chance, began = random.Random(self.plan.seed), time.monotonic()
        for n in range(self.plan.events):
            user = f"u{chance.randrange(KEYS)}"
            value = json.dumps({"user": user, "amount": chance.randrange(100), "n": n})
            producer.produce(f"{APP}-in", value, user)
            if n % 100 == 0:
                producer.poll(0)
                time.sleep(max(0.0, began + n / self.plan.rate - time.monotonic()))
        if producer.flush(120):
            raise Failed("the load was not taken by the broker")

    def _start(self, name: str, failpoint: str = "") -> None:
        words = [
            sys.executable,
            "-m",
            "cli.bench.counting",
            self.kafka.bootstrap,
            APP,
            name,
            str(self.folder / name),
            self.plan.store,
        ]
        (self.folder / name).mkdir(exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(
                words, stdout=log, stderr=log, env={**os.environ, FAILPOINT: failpoint}
            )

    def faults(self) -> None:
        """In an order of chance; every step of a commit is hit in turn."""
        plan = self.plan
        random_kills = plan.kills // 2
        faults = [self._kill] * random_kills + [self._stop] * plan.stops + [self._restart] * plan.restarts
        faults += [self._at_step(STEPS[n % len(STEPS)]) for n in range(plan.kills - random_kills)]
        self.chance.shuffle(faults)
        for n, fault in enumerate(faults):
            time.sleep(self.chance.uniform(0.2, 2.0))
            fault()
            self.say(f"{n + 1} of {len(faults)} faults, {self.kills} kills")

    def _one(self) -> str:
        return self.chance.choice(sorted(self.workers))

    def _kill(self) -> None:
        name = self._one()
        self.workers[name].kill()
        self._reborn(name)

    def _reborn(self, name: str, failpoint: str = "") -> None:
        code = self.workers[name].wait(60)
        if code == -signal.SIGKILL:
            self.kills += 1
        elif not self._ended_behind_a_hanging_one(name):
            raise Failed(f"{name} ended by itself: {(self.folder / f'{name}.log').read_text()[-1000:]}")
        self._start(name, failpoint)

    def _ended_behind_a_hanging_one(self, name: str) -> bool:
        return HANGS in (self.folder / f"{name}.log").read_text()[-2000:]

    def _at_step(self, step: str) -> Callable[[], None]:
        """Kills a worker, and its successor kills itself at that step of one of its first commits."""

        def fault() -> None:
            name = self._one()
            self.workers[name].kill()
            self.workers[name].wait(60)
            self._start(name, f"{step}:{1 if step == 'fenced' else self.chance.randrange(1, 6)}")
            try:
                self.workers[name].wait(REACHED + self.plan.session)
            except subprocess.TimeoutExpired:  # it had nothing to commit
                self.workers[name].kill()
            self._reborn(name)

        return fault

    def _stop(self) -> None:
        """Longer than a session, then on, as if nothing had happened."""
        process = self.workers[self._one()]
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.plan.session + 2)
        process.send_signal(signal.SIGCONT)

    def _restart(self) -> None:
        self.kafka.kill()
        self.kafka.start()
        self._mend()

    def _mend(self) -> None:
        """Ends transactions that the broker has left hanging, as `make run` does, and starts workers that ended behind one."""
        self.hanging += len(asyncio.run(mended(self.kafka.bootstrap)))
        for name, process in self.workers.items():
            if process.poll() is not None and self._ended_behind_a_hanging_one(name):
                self._start(name)

    def _compared(self, watch: Watch, seconds: float) -> Told:
        truth: dict[str, list[int]] = {}
        for message in committed(self.kafka.bootstrap, f"{APP}-in"):
            event = json.loads(message.value() or b"")
            row = truth.setdefault(event["user"], [0, 0])
            row[0], row[1] = row[0] + 1, row[1] + event["amount"]
        rows: dict[str, list[int]] = {}
        for message in committed(self.kafka.bootstrap, f"{APP}-totals-changelog"):
            if not (message.key() or b"").startswith(b"@"):
                rows[json.loads(message.key() or b"")] = json.loads(message.value() or b"")
        outputs = Counter(
            json.loads(message.value() or b"")["n"] for message in committed(self.kafka.bootstrap, f"{APP}-out")
        )
        wrong = sum(rows.get(user) != row for user, row in truth.items()) + len(rows.keys() - truth.keys())
        lost = sum(n not in outputs for n in range(self.plan.events))
        doubled = sum(times - 1 for times in outputs.values())
        plan = self.plan
        return Told(
            plan.events,
            self.kills,
            plan.stops,
            plan.restarts,
            self.hanging,
            lost,
            doubled,
            wrong,
            round(watch.gap, 1),
            round(seconds, 1),
        )


class Watch(threading.Thread):
    """Reads committed outputs as they come, and measures the longest time without one."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.seen, self.gap, self.last = 0, 0.0, 0.0
        self._consumer = reader(bootstrap)
        self._consumer.assign([TopicPartition(f"{APP}-out", n, 0) for n in range(PARTITIONS)])
        self.start()

    def run(self) -> None:
        while True:
            fresh = sum(message.error() is None for message in self._consumer.consume(5_000, 0.1))
            if fresh:
                now = time.monotonic()
                self.gap = max(self.gap, now - self.last) if self.last else 0.0
                self.last, self.seen = now, self.seen + fresh

    def wait_for(self, outputs: int, mend: Callable[[], None]) -> None:
        """Until they are there, or none came for some time: the comparison says what is missing."""
        before, since = self.seen, time.monotonic()
        while self.seen < outputs and time.monotonic() - since < SETTLED:
            time.sleep(5)
            if self.seen != before:
                before, since = self.seen, time.monotonic()
            else:
                mend()


async def mended(bootstrap: str) -> list[Hanging]:
    """Ends what hangs in the topics of this bench."""
    async with Transactions({"bootstrap.servers": bootstrap}) as transactions:
        return await transactions.mend([f"{APP}-in", f"{APP}-out", f"{APP}-totals-changelog", OFFSETS], f"{APP}-")


def reader(bootstrap: str) -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-reader", "enable.auto.commit": False, "log_level": 0,
                     "isolation.level": "read_committed", "enable.partition.eof": True, "fetch.queue.backoff.ms": 5})  # fmt: skip


def committed(bootstrap: str, topic: str) -> Iterator[Any]:
    """Every committed record, partition by partition."""
    consumer = reader(bootstrap)
    try:
        for number in range(PARTITIONS):
            consumer.assign([TopicPartition(topic, number, 0)])
            ended = False
            while not ended:
                for message in consumer.consume(10_000, 0.5):
                    if message.error() is None:
                        yield message
                    else:
                        ended = True
    finally:
        consumer.close()


def measure(plan: Plan, say: Callable[[str], None]) -> tuple[Told, list[Row]]:
    """Runs it in a folder of its own. Needs some minutes."""
    with tempfile.TemporaryDirectory(prefix="soulfra-faults-") as folder:
        told = Run(plan, Path(folder), say).go()
    workload = (
        f"{plan.events} events, {told.kills} kills, {told.restarts} broker kills, {plan.workers} workers, "
        f"exactly once, {plan.store}"
    )
    rows = [
        Row(f"{workload}: hanging transactions", "soulfra", "", [told.hanging]),
        Row(f"{workload}: outputs lost", "soulfra", "", [told.lost]),
        Row(f"{workload}: outputs doubled", "soulfra", "", [told.doubled]),
        Row(f"{workload}: rows that differ", "soulfra", "", [told.wrong]),
        Row(f"{workload}: longest gap", "soulfra", "s", [told.gap]),
        Row(f"{workload}: whole run", "soulfra", "s", [told.seconds]),
    ]
    return told, rows
