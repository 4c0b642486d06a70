"""An event that a process is not ready for stops its partition and no other, and nothing is lost or counted twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams import engine
from streams.engine import Unready
from tests.conftest import System
from tests.test_engine import Topics, drained, events, made, running, source, truth, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
N = 900
Ready = Callable[[Any], bool]


@pytest.fixture
def topics(system: System) -> Topics:
    return Topics(system.kafka.bootstrap)


def not_yet(event: Any) -> bool:
    return bool(event["n"] != 401)


def place_of(topics: Topics, name: str, n: int) -> tuple[str, int, int]:
    """Topic, partition and offset of an event."""
    mine = next(message for message in topics.read(name) if json.loads(message.value())["n"] == n)
    return mine.topic(), mine.partition(), mine.offset()


def before(topics: Topics, name: str, partition: int, offset: int) -> list[dict[str, int]]:
    """The events of a topic but for those at and behind an offset of one partition."""
    there = topics.read(name)
    return [json.loads(one.value()) for one in there if one.partition() != partition or one.offset() < offset]


def summing(
    app: engine.App, topics: Topics, ready: Ready, name: str = "in", table: str = "sums", portions: int = 0
) -> Any:
    sums = app.Table(table, default=int, key_type=int, value_type=int)
    out = app.topic(topics["out"], key_type=bytes, value_serializer="json")

    async def add(stream: Any) -> None:
        async for portion in stream.take(portions, within=1) if portions else stream:
            for event in portion if portions else [portion]:
                sums[event["user"]] += event["amount"]
                await out.send(key=b"k", value=event["n"])
                if not ready(event):
                    raise Unready("a newer release reads it")

    app.agent(source(app, topics, name), name=f"{table} of {name}")(add)
    return sums


async def halted(app: engine.App) -> dict[tuple[str, int], str]:
    assert await until(lambda: app.crashed or app.consumer.ownership.halted), "nothing was halted"
    assert not app.crashed, app.crash_reason
    return dict(app.consumer.ownership.halted)


@pytest.mark.parametrize("portions", [0, 7])
async def test_a_partition_stops_in_front_of_an_event_that_is_not_understood_yet_and_all_others_go_on(
    topics: Topics, tmp_path: Path, portions: int
) -> None:
    topics.create("in", "also", "out", "in.dlq", "also.dlq")
    topics.send("in", events(N))
    _, partition, offset = place_of(topics, "in", 401)
    app = made(topics, tmp_path)
    sums = summing(app, topics, not_yet, portions=portions)
    beside = summing(app, topics, lambda _: True, "also", "beside")
    async with running(app):
        said = await halted(app)
        topics.send("also", events(N))
        await drained(app, topics, "also", N)
        assert list(said) == [(topics["in"], partition)]
        stopped = app.consumer.next_of(topics["in"], partition)
        assert offset - max(portions, 1) < stopped <= offset
        assert (
            f"{topics['in']}/{partition} is paused at offset {stopped}: a newer release"
            in said[topics["in"], partition]
        )
        done = before(topics, "in", partition, stopped)
        await drained(app, topics, "in", len(done))
        assert dict(sums.items()) == truth(done) and dict(beside.items()) == truth(events(N))
    assert topics.read("in.dlq") == [] and topics.table("sums") == truth(done)

    upgraded = made(topics, tmp_path)
    sums = summing(upgraded, topics, lambda _: True, portions=portions)
    summing(upgraded, topics, lambda _: True, "also", "beside")
    async with running(upgraded):
        await drained(upgraded, topics, "in", N)
        assert dict(sums.items()) == truth(events(N)) and upgraded.consumer.ownership.halted == {}
    sent = [json.loads(one.value()) for one in topics.read("out")]
    assert sorted(sent) == sorted([*range(N), *range(N)])


async def test_a_partition_that_stopped_starts_again_when_it_is_taken_over_anew(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(N))
    ready: list[bool] = []
    app = made(topics, tmp_path)
    sums = summing(app, topics, lambda event: bool(ready) or not_yet(event))
    async with running(app):
        await halted(app)
        ready.append(True)
        app.consumer.ownership.lose()
        await drained(app, topics, "in", N)
        assert dict(sums.items()) == truth(events(N)) and app.consumer.ownership.halted == {}


async def test_events_in_flight_of_an_agent_with_concurrency_end_and_what_lies_before_is_committed(
    topics: Topics, tmp_path: Path
) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(N))
    _, partition, offset = place_of(topics, "in", 401)

    def job(ready: Ready) -> tuple[engine.App, list[int]]:
        app, done = made(topics, tmp_path, exactly=False), list[int]()

        async def work(stream: Any) -> None:
            async for event in stream:
                await asyncio.sleep(0.001 * (event["n"] % 5))
                if not ready(event):
                    raise Unready("a newer release reads it")
                done.append(event["n"])

        app.agent(source(app, topics), concurrency=16)(work)
        return app, done

    app, done = job(not_yet)
    async with running(app):
        assert list(await halted(app)) == [(topics["in"], partition)]
        wanted = [event["n"] for event in before(topics, "in", partition, offset)]
        assert await until(lambda: set(done) >= set(wanted))
        await drained(app, topics, "in", len(wanted))
        assert app.consumer.next_of(topics["in"], partition) == offset
    assert topics.read("in.dlq") == []

    app, more = job(lambda _: True)
    async with running(app):
        await drained(app, topics, "in", N)
    assert set(done + more) == set(range(N)) and not set(more) & set(wanted)


@pytest.mark.parametrize("store", ["memory://", "rocksdb://"])
async def test_agents_that_share_a_topic_stop_in_front_of_the_same_event(
    topics: Topics, tmp_path: Path, store: str
) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(N))
    _, partition, offset = place_of(topics, "in", 401)
    app = made(topics, tmp_path, store=store)
    tables = [summing(app, topics, not_yet), summing(app, topics, lambda _: True, table="others")]
    async with running(app):
        assert list(await halted(app)) == [(topics["in"], partition)]
        done = before(topics, "in", partition, offset)
        await drained(app, topics, "in", len(done))
        assert await until(lambda: app.consumer.next_of(topics["in"], partition) == offset)
        assert [dict(table.items()) for table in tables] == [truth(done)] * 2
    assert topics.table("others") == truth(done)

    app = made(topics, tmp_path, store=store)
    tables = [summing(app, topics, lambda _: True), summing(app, topics, lambda _: True, table="others")]
    async with running(app):
        await drained(app, topics, "in", N)
        assert [dict(table.items()) for table in tables] == [truth(events(N))] * 2
    sent = [json.loads(one.value()) for one in topics.read("out")]
    assert sorted(sent) == sorted([*range(N), *range(N)]) and len(topics.read("in")) == N
