"""The engine while brokers fail in their own ways: leaders move from one to another, a disk is full."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from cli.bench.faults import APP, SESSION, Plan, Run
from cli.local.kafka import Kafka
from cli.local.ports import free
from streams.engine.client import Cluster, shared
from streams.engine.hanging import Transactions
from tests.conftest import PATIENCE, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
TWO_COPIES = {  # and leaders go back to where they began, two seconds after
    "process.roles=": "leader.imbalance.check.interval.seconds=2\nleader.imbalance.per.broker.percentage=0\nprocess.roles=",
    "offsets.topic.replication.factor=1": "offsets.topic.replication.factor=2",
    "transaction.state.log.replication.factor=1": "transaction.state.log.replication.factor=2",
}
JOINS = {
    "roles=broker,controller": "roles=broker",
    "node.id=1": "node.id=2",
}


@dataclass
class Moving(Run):
    """Two brokers with a copy of everything each; one is killed and comes back, and takes its leaderships back."""

    copies: int = 2
    leaders: set[frozenset[int]] = field(default_factory=set)

    def cluster_starts(self) -> None:
        self.kafka, self.second = two(self.folder)

    def cluster_stops(self) -> None:
        self.second.stop()
        self.kafka.stop()

    def faults(self) -> None:
        for _ in range(3):
            time.sleep(3)
            self._look()
            self.second.kill()
            time.sleep(3)
            self._look()
            self.second.start()
            time.sleep(2)
            assert eventually(lambda: len(self._look()) == 2), "the second broker does not lead again"

    def _look(self) -> frozenset[int]:
        """Who leads a partition of the source topic."""
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        found = admin.list_topics("exact-in", PATIENCE).topics["exact-in"]
        now = frozenset(partition.leader for partition in found.partitions.values())
        self.leaders.add(now)
        return now


class Rolling(Run):
    """Workers are asked to stop and are started again, one after the other."""

    def faults(self) -> None:
        for name in sorted(self.workers):
            assert eventually(self._all_at_work), "not every worker has partitions"
            worker = self.workers[name]
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE) == 0, f"{name} does not stop in order"
            self._start(name)
        assert eventually(self._all_at_work), "not every worker has partitions"

    def _all_at_work(self) -> bool:
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        try:
            members = admin.describe_consumer_groups([APP])[APP].result(PATIENCE).members
        except KafkaException:  # nobody has joined yet
            return False
        return sum(bool(member.assignment.topic_partitions) for member in members) == self.plan.workers


class First(Kafka):
    def _write_settings(self) -> None:
        written(self, TWO_COPIES)


class Second(Kafka):
    """A broker more, which finds the first one's controller."""

    def __init__(self, folder: Path, port: int, first: Kafka) -> None:
        super().__init__(folder, port, free())
        self.first = first

    def _write_settings(self) -> None:
        ours = f",CONTROLLER://127.0.0.1:{self.controller}"
        quorum = {
            f"bootstrap.servers=127.0.0.1:{self.controller}": f"bootstrap.servers=127.0.0.1:{self.first.controller}"
        }
        written(self, TWO_COPIES | JOINS | {ours: ""} | quorum)

    def _format(self) -> None:
        """With the cluster's id, and no controller of its own."""
        if not (self.folder / "log" / "meta.properties").exists():
            known = (self.first.folder / "log" / "meta.properties").read_text()
            (self.folder / "log").mkdir(parents=True)
            id = next(line for line in known.splitlines() if line.startswith("cluster.id="))
            (self.folder / "log" / "meta.properties").write_text(f"version=1\nnode.id=2\n{id}\n")


def written(kafka: Kafka, changed: dict[str, str]) -> None:
    Kafka._write_settings(kafka)
    text = kafka._settings.read_text()
    for before, after in changed.items():
        assert before in text, before
        text = text.replace(before, after)
    kafka._settings.write_text(text)


def two(folder: Path) -> tuple[Kafka, Kafka]:
    first = First(folder / "kafka", free(), free())
    second = Second(folder / "second", free(), first)
    first.spawn()  # neither is ready alone: copies need two
    second.spawn()
    assert eventually(lambda: first.ready() and second.ready()), "the brokers do not find each other"
    return first, second


class Full(Run):
    """The broker may not write any more, as on a full disk, and ends; then there is room again."""

    def faults(self) -> None:
        time.sleep(5)
        sizes = [file.stat().st_size for file in self.folder.glob("kafka/log/exact-*/*.log")]
        limit = max(sizes) + 20_000
        assert self.kafka.pid is not None
        resource.prlimit(self.kafka.pid, resource.RLIMIT_FSIZE, (limit, limit))
        assert eventually(lambda: not self.kafka.running), "the broker does not notice that its disk is full"
        time.sleep(2)
        self.kafka.start()


def test_leaders_that_move_lose_and_double_nothing(tmp_path: Path) -> None:
    run = Moving(Plan(events=12_000, workers=2, kills=0, seed=3, rate=400), tmp_path)
    told = run.go()
    assert {len(leaders) for leaders in run.leaders} == {1, 2}, run.leaders
    assert (told.lost, told.doubled, told.wrong) == (0, 0, 0), told


def test_a_rolling_restart_is_hardly_noticed(tmp_path: Path) -> None:
    """Partitions are handed over at once: nobody waits for a session to be over, as after a kill."""
    told = Rolling(Plan(events=8_000, workers=3, kills=0, seed=5, rate=400), tmp_path).go()
    assert (told.lost, told.doubled, told.wrong) == (0, 0, 0), told
    assert told.gap < SESSION, told


def test_a_full_disk_of_the_broker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    told = Full(Plan(events=12_000, workers=2, kills=0, seed=4, rate=500), tmp_path).go()
    assert (told.lost, told.doubled, told.wrong) == (0, 0, 0), told


def test_a_leader_that_does_not_answer_leaves_no_end_of_a_partition_unknown(tmp_path: Path) -> None:
    """Seen when leaders moved on a busy machine: the partitions of a leader that did not answer seemed to have no records, so
    their tables looked new, and their events were folded and sent a second time."""
    first, second = two(tmp_path)
    cluster = Cluster(shared(first.bootstrap, "test", {}), "test")
    places = [("spread", 0), ("spread", 1)]
    try:
        admin = AdminClient({"bootstrap.servers": first.bootstrap})
        admin.create_topics([NewTopic("spread", 2, replica_assignment=[[1], [2]])])["spread"].result(PATIENCE)
        producer = Producer({"bootstrap.servers": first.bootstrap})
        for _, number in places:
            producer.produce("spread", b"x", partition=number)
        assert producer.flush(PATIENCE) == 0
        truth = dict.fromkeys(places, 1)
        assert cluster.ends(places) == truth
        os.kill(second.pid, signal.SIGSTOP)
        while (found := ends_or_none(cluster, places)) is not None:  # on a busy machine some threads still answer
            assert found == truth
        os.kill(second.pid, signal.SIGCONT)
        assert eventually(lambda: ends_or_none(cluster, places) == truth)
    finally:
        os.kill(second.pid, signal.SIGCONT)
        cluster.close()
        second.stop()
        first.stop()


def ends_or_none(cluster: Cluster, places: list[tuple[str, int]]) -> Mapping[tuple[str, int], int] | None:
    try:
        return cluster.ends(places)
    except KafkaException:
        return None


async def test_who_looks_at_transactions_waits_for_a_leader_to_come_back(tmp_path: Path) -> None:
    first, second = await asyncio.to_thread(two, tmp_path)
    try:
        admin = AdminClient({"bootstrap.servers": first.bootstrap})
        admin.create_topics([NewTopic("lone", 1, replica_assignment=[[2]])])["lone"].result(PATIENCE)
        os.kill(second.pid, signal.SIGSTOP)
        assert eventually(lambda: admin.list_topics("lone", PATIENCE).topics["lone"].partitions[0].leader == -1)
        async with Transactions({"bootstrap.servers": first.bootstrap}) as transactions:
            looked = asyncio.ensure_future(transactions.open([("lone", 0)]))
            await asyncio.sleep(1)
            assert not looked.done()
            os.kill(second.pid, signal.SIGCONT)
            assert await looked == []
    finally:
        second.stop()
        first.stop()
