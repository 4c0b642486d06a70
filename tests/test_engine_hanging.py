"""Transactions that Kafka leaves hanging, made by hand on a real broker: told apart, ended, and everything exact afterwards."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer

from cli.local.kafka import Kafka
from cli.local.ports import free
from streams import engine
from streams.app import held_back, serve
from streams.engine import Options, Stopped
from streams.engine.hanging import LONGEST, OFFSETS, Hanging, OpenTransaction, Transactions, _is_over
from tests.markers import without_markers
from tests.test_engine import PARTITIONS, Topics, drained, events, made, running, source, truth, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
SHORT = Options(transaction_timeout=1.0, held_back=0.5)
NAMES = ("in", "out", "in.dlq")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    """A broker of its own: its folder is edited while it is down."""
    with Kafka(tmp_path / "kafka", free(), free()) as broker:
        yield broker


@pytest.fixture
def topics(kafka: Kafka) -> Topics:
    created = Topics(kafka.bootstrap)
    created.create(*NAMES)
    return created


def folding(topics: Topics, folder: Path, options: Options = SHORT, pause: float = 0.0) -> engine.App:
    """Two tables and an output."""
    app = made(topics, folder, options=options)
    sums = app.Table("sums", default=int, key_type=int, value_type=int)
    counts = app.Table("counts", default=int, key_type=int, value_type=int)
    out = app.topic(topics["out"], key_type=bytes, value_serializer="json")

    async def fold(stream: Any) -> None:
        async for event in stream:
            sums[event["user"]] += event["amount"]
            counts[event["user"]] += 1
            await out.send(key=b"%d" % event["user"], value=event["n"])
            await asyncio.sleep(pause)

    app.agent(source(app, topics))(fold)
    return app


def changelog(topics: Topics, table: str) -> str:
    return f"{topics.id}-app-{table}-changelog"


async def hanging(topics: Topics) -> list[Hanging]:
    async with Transactions({"bootstrap.servers": topics.bootstrap}) as transactions:
        names = [*(topics[name] for name in NAMES), *(changelog(topics, name) for name in ("sums", "counts")), OFFSETS]
        return await transactions.hanging(transactions.partitions(names), topics.id)


async def end(topics: Topics, found: list[Hanging]) -> None:
    async with Transactions({"bootstrap.servers": topics.bootstrap}) as transactions:
        for one in found:
            await transactions.end(one)


def exact(topics: Topics, sent: list[dict[str, int]]) -> None:
    assert topics.table("sums") == truth(sent)
    assert topics.table("counts") == Counter(event["user"] for event in sent)
    assert Counter(json.loads(one.value()) for one in topics.read("out")) == Counter(range(len(sent)))


async def folded(topics: Topics, folder: Path, n: int, options: Options = SHORT) -> None:
    app = folding(topics, folder, options)
    async with running(app):
        await drained(app, topics, "in", n)


async def served(app: engine.App) -> None:
    """As a worker does, without its hold on the signals."""
    try:
        await serve(app, [])
    finally:
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(name)


async def test_a_take_over_behind_a_hanging_transaction_says_so_and_ends_and_goes_on_when_it_is_ended(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    sent = events(90)
    topics.send("in", sent)
    await folded(topics, tmp_path, 90)
    place = changelog(topics, "counts"), 1
    without_markers(kafka, [place, (topics["out"], 2)])
    app = folding(topics, tmp_path)
    ends = asyncio.ensure_future(served(app))
    held = await until(lambda: held_back(app))
    assert f"{place[0]}/1 stands still at offset" in held and "producer" in held and f"{topics.id}-app-" in held
    assert not app.consumer.ready()
    with pytest.raises(Stopped, match=r"stands still at offset .*soulfra doctor --mend"):
        await ends
    left = await hanging(topics)
    assert {one.open.place for one in left} == {place, (topics["out"], 2)}
    assert {one.committed for one in left} == {True}, "its coordinator had decided, and its log says so"
    await end(topics, left)
    assert await hanging(topics) == []
    exact(topics, sent)
    topics.send("in", more := events(120)[90:])
    await folded(topics, tmp_path, 120)
    exact(topics, sent + more)


async def test_a_table_that_is_ahead_of_a_torn_transaction_stays_exact(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    """The rest was aborted, as Kafka's own tool does; and the worker is restarted in the middle of folding it again."""
    slow = Options(transaction_timeout=5.0, commit_interval=3.0)
    sent = events(300)
    topics.send("in", sent)
    await folded(topics, tmp_path, 300, slow)
    places = [(changelog(topics, "counts"), number) for number in range(PARTITIONS)]
    without_markers(kafka, places)
    left = await hanging(topics)
    assert {one.open.place for one in left} == set(places)
    await end(topics, [one._replace(committed=None) for one in left])
    assert sum(topics.table("counts").values()) < 300 == sum(Counter(event["user"] for event in sent).values())

    app = folding(topics, tmp_path, Options(commit_interval=0.01), pause=0.01)
    async with running(app):
        assert await until(lambda: app.consumer.commits.last >= 2), "nothing is folded again"
    assert sum(topics.table("counts").values()) < 300, "it was not stopped in the middle"
    await folded(topics, tmp_path, 300)
    exact(topics, sent)


async def test_a_transaction_that_is_really_open_is_left_alone(topics: Topics, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": topics.bootstrap, "transactional.id": "outside"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topics["in"], b'{"user": 1, "amount": 1, "n": 0}', b"1", 0)
    assert producer.flush(10) == 0
    async with Transactions({"bootstrap.servers": topics.bootstrap}) as transactions:
        [opened] = await transactions.open([(topics["in"], number) for number in range(PARTITIONS)])
        assert (opened.place, opened.start) == ((topics["in"], 0), 0)
    assert await hanging(topics) == []
    producer.commit_transaction(10)
    read = await until(lambda: topics.read("in"))
    assert [one.value() for one in read] == [b'{"user": 1, "amount": 1, "n": 0}']


async def test_ending_one_that_is_over_leaves_the_next_one_of_its_producer_alone(topics: Topics) -> None:
    producer = Producer({"bootstrap.servers": topics.bootstrap, "transactional.id": "outside"})
    producer.init_transactions(10)
    async with Transactions({"bootstrap.servers": topics.bootstrap}) as transactions:
        for n in range(2):
            producer.begin_transaction()
            producer.produce(topics["in"], b"%d" % n, b"1", 0)
            assert producer.flush(10) == 0
            [opened] = await transactions.open([(topics["in"], 0)])
            if n == 0:
                first = opened
                producer.commit_transaction(10)
        await transactions.end(Hanging(first, "outside", "CompleteCommit", False))
        assert await transactions.open([(topics["in"], 0)]) == [opened]
    producer.commit_transaction(10)
    assert [one.value() for one in await until(lambda: topics.read("in"))] == [b"0", b"1"]


def test_a_transaction_that_no_coordinator_knows_is_left_alone_as_long_as_it_may_be_open() -> None:
    """Transactional ids that a client may not describe are left out of the response."""
    now, kept = int(time.time() * 1000), int(LONGEST * 1000)
    started = OpenTransaction("in", 0, 7, 1000, 0, 0, now)
    assert not _is_over(started, None) and not _is_over(started._replace(newest=now - kept + 60_000), None)
    assert _is_over(started._replace(newest=now - kept - 1_000), None)


def test_a_worker_that_is_held_back_is_neither_live_nor_ready_and_names_the_way_out() -> None:
    ownership = SimpleNamespace(held="")
    app: Any = SimpleNamespace(started=True, begun=True, consumer=SimpleNamespace(ownership=ownership))
    assert held_back(app) == ""
    ownership.held = "usage/3 stands still at offset 7"
    assert held_back(app).startswith(ownership.held) and "soulfra doctor --mend" in held_back(app)
