"""The engine under ordinary Faust code, on the real broker."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from faust.serializers.codecs import Codec

from streams import engine
from streams.engine import Options, Refused, Stopped
from streams.engine.app import refusals
from streams.engine.client import Cluster
from streams.engine.codec import codec as engine_codec
from streams.progress import unready
from tests.conftest import PATIENCE, System

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
PARTITIONS = 3


class Bought(msgspec.Struct, frozen=True):
    user: str
    amount: int


ANY = engine_codec("json", "", None, msgspec.json.encode, None, msgspec.json.decode)  # values of any kind


class BoughtCodec(Codec):
    def _loads(self, raw: bytes) -> Bought:
        return msgspec.json.decode(raw, type=Bought)


class Topics:
    """Topics with names of their own, and what is on them."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap, self.id = bootstrap, f"e{uuid.uuid4().hex[:8]}"
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def __getitem__(self, name: str) -> str:
        return f"{self.id}-{name}"

    def create(self, *names: str) -> None:
        for made in self.admin.create_topics([NewTopic(self[name], PARTITIONS, 1) for name in names]).values():
            made.result()

    def send(self, name: str, events: list[Any], raw: bytes | None = None) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"})
        for event in events:
            producer.produce(self[name], raw or json.dumps(event), str(event["user"]).encode())
        assert producer.flush(PATIENCE) == 0

    def read(self, name: str, whole: str = "") -> list[Any]:
        """Committed records; `whole` is a name that is not ours to prefix."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.id + "-reader", "log_level": 0,
                             "isolation.level": "read_committed", "enable.partition.eof": True})  # fmt: skip
        consumer.assign([TopicPartition(whole or self[name], n, 0) for n in range(PARTITIONS)])
        found, ended = [], 0
        while ended < PARTITIONS:
            message = consumer.poll(PATIENCE)
            assert message is not None
            if message.error():
                ended += 1
            else:
                found.append(message)
        consumer.close()
        return found

    def table(self, name: str) -> dict[Any, Any]:
        rows: dict[Any, Any] = {}
        for message in self.read("", whole=f"{self.id}-app-{name}-changelog"):
            if not message.key().startswith(b"@"):
                key = json.loads(message.key())
                rows.pop(key, None) if message.value() is None else rows.update({key: json.loads(message.value())})
        return rows


@pytest.fixture
def topics(system: System) -> Topics:
    return Topics(system.kafka.bootstrap)


def made(
    topics: Topics, folder: Path, exactly: bool = True, options: Options | None = None, **settings: Any
) -> engine.App:
    return engine.App(
        f"{topics.id}-app",
        engine=options or Options(),
        broker=f"librdkafka://{topics.bootstrap}",
        processing_guarantee="exactly_once" if exactly else "at_least_once",
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        datadir=folder,
        web_enabled=False,
        **settings,
    )


def source(app: engine.App, topics: Topics, name: str = "in") -> Any:
    return app.topic(topics[name], key_type=bytes, value_serializer="json")


@asynccontextmanager
async def running(app: engine.App) -> AsyncIterator[None]:
    await app.start()
    try:
        yield
    finally:
        await app.stop()


async def until(true: Callable[[], Any], within: float = PATIENCE) -> Any:
    deadline = time.monotonic() + within
    while not (found := true()) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return found


async def drained(app: engine.App, topics: Topics, name: str, events: int) -> None:
    """Until so many events of a topic are committed."""
    assert await until(lambda: app.crashed or committed(app, topics, name) >= events), committed(app, topics, name)


def committed(app: engine.App, topics: Topics, name: str) -> int:
    """Events of a topic whose commit has succeeded; 0 while one is under way, or after one that failed."""
    if not app.consumer.commits.settled:
        return 0
    return sum(shard.committed.get(topics[name], 0) for shard in app.consumer.work.shards.values())


def events(n: int, users: int = 7) -> list[dict[str, int]]:
    return [{"user": i % users, "amount": i, "n": i} for i in range(n)]


def counting(app: engine.App, topics: Topics, fails: Callable[[Any], bool] = lambda _: False) -> Any:
    sums = app.Table("sums", default=int, key_type=int, value_type=int)
    out = app.topic(topics["out"], key_type=bytes, value_serializer="json")

    async def add(stream: Any) -> None:
        async for event in stream:
            sums[event["user"]] += event["amount"]
            await out.send(key=b"k", value=event["n"])
            if fails(event):
                raise ValueError(f"{event} does not please")

    app.agent(source(app, topics))(add)
    return sums


def truth(given: list[dict[str, int]]) -> Counter[int]:
    sums: Counter[int] = Counter()
    for event in given:
        sums[event["user"]] += event["amount"]
    return sums


@pytest.mark.parametrize("store", ["memory://", "rocksdb://"])
async def test_a_restarted_worker_goes_on_where_its_tables_are(topics: Topics, tmp_path: Path, store: str) -> None:
    topics.create("in", "out", "in.dlq")
    given = events(900)
    for part in (given[:300], given[300:600], given[600:]):
        topics.send("in", part)
        app = made(topics, tmp_path, store=store)
        sums = counting(app, topics)
        async with running(app):
            await drained(app, topics, "in", part[-1]["n"] + 1)
            assert dict(sums.items()) == truth(given[: part[-1]["n"] + 1])
    assert topics.table("sums") == truth(given)
    assert sorted(json.loads(one.value()) for one in topics.read("out")) == list(range(900))


async def test_rocksdb_holds_what_was_committed_and_a_restart_reads_only_what_is_new(
    topics: Topics, tmp_path: Path
) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(300))
    app = made(topics, tmp_path, store="rocksdb://")
    counting(app, topics)
    async with running(app):
        await drained(app, topics, "in", 300)
    app = made(topics, tmp_path, store="rocksdb://")
    sums = counting(app, topics)
    rows = app.consumer.ownership._rows(app.tables.numbered[0], 0)
    assert rows.start > 0 and rows.position and list(rows.everything())
    rows.close()
    async with running(app):
        assert dict(sums.items()) == truth(events(300))


async def test_an_event_that_fails_leaves_no_trace_but_its_original_bytes(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    given = events(500)
    topics.send("in", given)
    app = made(topics, tmp_path)
    counting(app, topics, lambda event: event["n"] % 50 == 3)
    async with running(app):
        await drained(app, topics, "in", 500)
    bad = [event for event in given if event["n"] % 50 == 3]
    good = [event for event in given if event not in bad]
    assert topics.table("sums") == truth(good)
    assert sorted(json.loads(one.value()) for one in topics.read("out")) == [event["n"] for event in good]
    letters = topics.read("in.dlq")
    assert sorted((json.loads(one.value()) for one in letters), key=lambda event: event["n"]) == bad
    told = dict(letters[0].headers())
    assert (
        told["__streams.errors.topic"] == topics["in"].encode() and b"ValueError" in told["__streams.errors.exception"]
    )


async def test_a_row_over_the_limit_is_refused_when_it_is_written_and_the_partition_goes_on(
    topics: Topics, tmp_path: Path
) -> None:
    """Of every kind of value; and what an event sends is measured with its key and headers."""
    topics.create("in", "out", "in.dlq")
    large = "x" * 30_000
    values = {1: large, 2: (large,), 3: tuple(range(20_000)), 4: Bought(large, 1), 5: large.encode()}
    app = made(topics, tmp_path, options=Options(record_bytes=20_000))
    rows = app.Table("rows", key_type=int, options={"codec": ANY})
    out = app.topic(topics["out"], key_type=bytes, value_serializer="raw")

    async def keep(stream: Any) -> None:
        async for event in stream:
            user = event["user"]
            if user == 6:
                await out.send(key=large.encode(), value=b"")
            rows[user] = values.get(user, "small")

    app.agent(source(app, topics))(keep)
    topics.send("in", events(28))
    async with running(app):
        await drained(app, topics, "in", 28)
    dead = Counter(json.loads(one.value())["user"] for one in topics.read("in.dlq"))
    assert dead == dict.fromkeys(range(1, 7), 4), "each alone, and as it was"
    reasons = {dict(one.headers())["__streams.errors.message"] for one in topics.read("in.dlq")}
    assert all(b"more than the 20000" in reason for reason in reasons), reasons
    assert topics.table("rows") == {0: "small"}


async def test_the_letter_of_an_event_as_large_as_the_broker_takes_names_it(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    app = made(topics, tmp_path)
    counting(app, topics, fails=lambda event: "huge" in event)
    topics.send("in", [{"user": 1, "amount": 1, "n": 0, "huge": "x" * 999_900}, *events(3)[1:]])
    async with running(app):
        await drained(app, topics, "in", 3)
    [letter] = topics.read("in.dlq")
    headers = dict(letter.headers())
    assert letter.value() is None and headers["__streams.errors.topic"] == topics["in"].encode()
    assert b"bytes" in headers["engine.value.dropped"] and topics.table("sums") == truth(events(3)[1:])


async def test_too_many_failures_in_a_row_end_the_process_with_a_sentence(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(60, users=1))
    app = made(topics, tmp_path)
    counting(app, topics, lambda _: True)
    async with running(app):
        assert await until(lambda: app.crashed)
    assert isinstance(app.crash_reason, Stopped) and "20 events in a row failed" in str(app.crash_reason)


async def test_refused_events_never_end_the_process(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "in.dlq")
    topics.send("in", events(60, users=1))
    app = made(topics, tmp_path)

    async def refuse(stream: Any) -> None:
        async for event in stream:
            raise Refused(f"{event['n']} is not wanted")

    app.agent(source(app, topics))(refuse)
    async with running(app):
        await drained(app, topics, "in", 60)
        assert not app.crashed
    assert len(topics.read("in.dlq")) == 60


async def test_acknowledging_by_hand_ends_the_process_with_a_sentence(topics: Topics, tmp_path: Path) -> None:
    topics.create("in")
    app = made(topics, tmp_path)

    async def work(stream: Any) -> None:
        async for _ in stream.noack():
            pass

    app.agent(source(app, topics))(work)
    async with running(app):
        assert await until(lambda: app.crashed)
    assert isinstance(app.crash_reason, Stopped) and "leave noack out" in str(app.crash_reason)


async def test_typed_events_come_through_a_codec_and_what_it_refuses_is_dead_lettered(
    topics: Topics, tmp_path: Path
) -> None:
    topics.create("in", "in.dlq")
    topics.send("in", [{"user": "a", "amount": 2, "n": 0}, {"user": "a", "amount": 3, "n": 1}])
    topics.send("in", [{"user": "a"}], raw=b'{"user": "a", "amount": "much"}')
    topics.send("in", [{"user": "a", "amount": 4, "n": 2}])
    app = made(topics, tmp_path)
    amounts: list[int] = []

    async def work(stream: Any) -> None:
        async for bought in stream:
            amounts.append(bought.amount)

    app.agent(app.topic(topics["in"], key_type=bytes, value_serializer=BoughtCodec()))(work)
    async with running(app):
        await drained(app, topics, "in", 4)
    assert amounts == [2, 3, 4] and len(topics.read("in.dlq")) == 1


async def test_what_cannot_be_decoded_is_dead_lettered_and_the_next_follows(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    for n in range(30):
        topics.send("in", [{"user": n, "amount": 1, "n": n}])
        topics.send("in", [{"user": n}], raw=b"{garbage")
    app = made(topics, tmp_path)
    counting(app, topics)
    async with running(app):
        await drained(app, topics, "in", 60)
        assert not app.crashed
    assert sum(topics.table("sums").values()) == 30
    assert {one.value() for one in topics.read("in.dlq")} == {b"{garbage"} and len(topics.read("in.dlq")) == 30


class Person(faust.Record):
    name: str


async def test_values_that_are_not_simple_to_decode_come_in_their_place(topics: Topics, tmp_path: Path) -> None:
    """A model that names itself, a record without a value and garbage, among plain JSON in one batch."""
    topics.create("in", "in.dlq")
    odd = {
        10: Person("Ann").dumps(serializer="json"),
        20: None,
        30: b"{garbage",
        31: b"[1",
        49: Person("Bo").dumps(serializer="json"),
    }
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    for n in range(50):
        producer.produce(topics["in"], odd[n] if n in odd else json.dumps(n), b"k", 0)
    producer.flush(10)
    app = made(topics, tmp_path)
    seen: list[Any] = []

    @app.agent(source(app, topics))
    async def work(stream: Any) -> None:
        async for value in stream:
            assert faust.current_event().value == value
            seen.append(value)

    async with running(app):
        await drained(app, topics, "in", 50)
    names = {10: Person("Ann"), 20: None, 49: Person("Bo")}
    assert seen == [names.get(n, n) for n in range(50) if n not in (30, 31)]
    assert [one.value() for one in topics.read("in.dlq")] == [b"{garbage", b"[1"]


async def test_a_new_table_is_folded_beside_the_old_and_nothing_is_said_again(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    given = events(200)
    topics.send("in", given[:150])
    app = made(topics, tmp_path)
    counting(app, topics)
    async with running(app):
        await drained(app, topics, "in", 150)
    topics.send("in", given[150:])
    app = made(topics, tmp_path)
    sums = app.Table("sums", default=int, key_type=int, value_type=int)
    counts = app.Table("counts", default=int, key_type=int, value_type=int)
    out = app.topic(topics["out"], key_type=bytes, value_serializer="json")

    async def both(stream: Any) -> None:
        async for event in stream:
            sums[event["user"]] += event["amount"]
            counts[event["user"]] += 1
            await out.send(key=b"k", value=event["n"])

    app.agent(source(app, topics))(both)
    async with running(app):
        assert await until(lambda: sum(counts.values()) == 200)
        assert dict(sums.items()) == truth(given)
        assert await until(app.consumer.committed_all)
    assert topics.table("counts") == Counter(event["user"] for event in given) and topics.table("sums") == truth(given)
    assert sorted(json.loads(one.value()) for one in topics.read("out")) == list(range(200))


async def test_a_source_topic_that_was_made_anew_stops_the_worker(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(10))
    app = made(topics, tmp_path)
    counting(app, topics)
    async with running(app):
        await drained(app, topics, "in", 10)
    topics.admin.delete_topics([topics["in"]])[topics["in"]].result()
    await asyncio.sleep(1)
    topics.create("in")
    app = made(topics, tmp_path)
    counting(app, topics)
    async with running(app):
        assert await until(lambda: app.crashed)
    assert "deleted and made anew" in str(app.crash_reason)


async def test_streams_agents_and_timers_do_what_faust_documents(topics: Topics, tmp_path: Path) -> None:
    """`events`, `items`, `take`, `filter` with processors, `group_by`, `cast`, `yield` into a sink, a timer."""
    topics.create("in", "asked", "told")
    given = events(60)
    topics.send("in", given)
    app = made(topics, tmp_path)
    seen, pairs, portions, even, ticks, told = [], [], [], [], [], []
    parities = app.Table("parities", default=int, key_type=str, value_type=int)

    @app.agent(source(app, topics), name="events")
    async def look(stream: Any) -> None:
        async for event in stream.events():
            seen.append((event.key, event.value["n"], event.message.offset >= 0))

    @app.agent(source(app, topics), name="items")
    async def pair(stream: Any) -> None:
        async for key, value in stream.items():
            pairs.append((key, value["n"]))

    @app.agent(source(app, topics), name="take")
    async def gather(stream: Any) -> None:
        async for portion in stream.take(7, within=1.0):
            portions.append([event["n"] for event in portion])

    @app.agent(source(app, topics), name="filter")
    async def halve(stream: Any) -> None:
        stream.add_processor(lambda event: event["n"])
        async for n in stream.filter(lambda n: n % 2 == 0):
            even.append(n)

    @app.agent(source(app, topics), name="group")
    async def group(stream: Any) -> None:
        async for event in stream.group_by(lambda event: str(event["n"] % 2), name="parity", partitions=PARTITIONS):
            parities[str(event["n"] % 2)] += 1

    @app.agent(
        app.topic(topics["asked"], key_type=bytes, value_serializer="json"),
        name="answer",
        sink=[app.topic(topics["told"], value_serializer="json"), told.append],
    )
    async def answer(stream: Any) -> AsyncIterator[int]:
        async for n in stream:
            yield n * 2

    @app.timer(0.2)
    async def tick() -> None:
        ticks.append(len(ticks))
        await answer.cast(len(ticks), key=b"one")  # one partition, so in order

    async with running(app):
        assert await until(lambda: len(seen) == len(pairs) == 60 and sum(map(len, portions)) == 60 and len(even) == 30)
        assert await until(lambda: len(told) > 3)
        assert await until(lambda: sum(parities.values()) == 60), dict(parities.items())
    assert sorted(n for _, n, _ in seen) == sorted(n for _, n in pairs) == list(range(60))
    assert all(key == str(given[n]["user"]).encode() and known for key, n, known in seen)
    assert max(map(len, portions)) <= 7 and sorted(even) == list(range(0, 60, 2))
    assert topics.table("parities") == {"0": 30, "1": 30}
    assert sorted(json.loads(one.value()) for one in topics.read("told")) == sorted(told)
    assert told[:3] == [2, 4, 6]


async def test_a_topic_that_the_app_has_just_made_is_waited_for_and_a_missing_one_is_not(
    topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers learn of a topic one after the other: here the first answers do not name it."""
    topics.create("in")
    topics.send("in", events(20))
    app = made(topics, tmp_path)
    counts = app.Table("counts", default=int, key_type=str, value_type=int)
    known, hidden = Cluster.partitions, iter(range(5))

    def learning(cluster: Cluster) -> dict[str, int]:
        hides = next(hidden, None) is not None
        return {name: n for name, n in known(cluster).items() if not (hides and name.endswith("-repartition"))}

    monkeypatch.setattr(Cluster, "partitions", learning)

    @app.agent(source(app, topics), name="again")
    async def again(stream: Any) -> None:
        async for event in stream.group_by(lambda event: str(event["n"] % 2), name="parity", partitions=PARTITIONS):
            counts[str(event["n"] % 2)] += 1

    async with running(app):
        assert await until(lambda: sum(counts.values()) == 20)
    assert next(hidden, None) is None

    lost = made(topics, tmp_path / "lost")
    lost.agent(source(lost, topics, "none"))(_nothing)
    async with running(lost):
        assert await until(lambda: lost.crashed)
    assert f"{topics['none']}: no such topic" in str(lost.crash_reason)


async def test_what_is_sent_beside_the_streams_is_refused_when_too_much_of_it_waits(
    topics: Topics, tmp_path: Path
) -> None:
    topics.create("in", "out")
    app = made(topics, tmp_path, options=Options(uncommitted=50))
    app.agent(source(app, topics))(_nothing)
    async with running(app):
        assert await until(lambda: app.consumer.ready())
        out = topics["out"]
        sent = [app.producer.submit(out, None, b"x") for _ in range(50)]  # the loop has no turn: nothing is committed
        with pytest.raises(Refused, match="50 records of timers"):
            app.producer.submit(out, None, b"x")
        await asyncio.gather(*sent)
        await app.producer.submit(out, None, b"y")
    assert len(topics.read("out")) == 51


async def _nothing(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_agents_of_one_topic_are_at_one_offset_in_every_commit(topics: Topics, tmp_path: Path) -> None:
    """One is slow and one is quick; the worker is stopped again and again, and what both wrote agrees each time."""
    topics.create("in")
    topics.send("in", events(3_000))

    async def go_on(seconds: float) -> int:
        app = made(topics, tmp_path)
        quick = app.Table("quick", default=int, key_type=str, value_type=int)
        slow = app.Table("slow", default=int, key_type=str, value_type=int)

        @app.agent(source(app, topics), name="quick")
        async def count_quickly(stream: Any) -> None:
            async for _ in stream:
                quick["n"] += 1

        @app.agent(source(app, topics), name="slow")
        async def count_slowly(stream: Any) -> None:
            async for _ in stream:
                slow["n"] += 1
                await asyncio.sleep(0.0005)

        async with running(app):
            await until(lambda: committed(app, topics, "in") >= 3_000, seconds)
        return sum(int(one.value()) for one in newest(topics, "slow"))

    for _ in range(4):
        await go_on(2.5)
        assert [one.value() for one in newest(topics, "quick")] == [one.value() for one in newest(topics, "slow")]
    assert await go_on(60) == 3_000


def newest(topics: Topics, table: str) -> list[Any]:
    """The newest row of each partition."""
    rows = {}
    for message in topics.read("", whole=f"{topics.id}-app-{table}-changelog"):
        if not message.key().startswith(b"@"):
            rows[message.partition(), message.key()] = message
    return [rows[place] for place in sorted(rows)]


async def test_what_follows_on_something_undecodable_is_undone_like_everything_else(
    topics: Topics, tmp_path: Path
) -> None:
    topics.create("in", "out", "in.dlq")
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    for value in (b"{garbage", b'{"user": 1, "amount": 1, "n": 1}', b'{"user": 1, "amount": 1, "n": 2}'):
        producer.produce(topics["in"], value, b"1", 0)
    producer.flush(10)
    app = made(topics, tmp_path)
    counting(app, topics, lambda event: event["n"] == 1)
    async with running(app):
        await drained(app, topics, "in", 3)
    assert topics.table("sums") == {1: 1} and [one.value() for one in topics.read("out")] == [b"2"]
    assert len(topics.read("in.dlq")) == 2


async def test_a_portion_ends_before_an_event_that_a_processor_refuses(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "in.dlq")
    topics.send("in", events(20, users=1))
    app = made(topics, tmp_path)
    seen: list[int] = []

    def check(event: Any) -> int:
        if event["n"] == 13:
            raise Refused("not this one")
        return int(event["n"])

    @app.agent(source(app, topics))
    async def work(stream: Any) -> None:
        stream.add_processor(check)
        async for portion in stream.take(10, within=1.0):
            seen.extend(portion)

    async with running(app):
        await drained(app, topics, "in", 20)
    assert seen == [n for n in range(20) if n != 13]
    assert [json.loads(one.value())["n"] for one in topics.read("in.dlq")] == [13]


async def test_an_agent_that_leaves_its_loop_holds_up_no_commit(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "other", "out")
    topics.send("in", events(5, users=1))
    topics.send("other", events(50))
    app = made(topics, tmp_path)
    first = app.Table("first", default=int, key_type=str, value_type=int)
    sums = app.Table("sums", default=int, key_type=int, value_type=int)

    @app.agent(source(app, topics))
    async def leave(stream: Any) -> None:
        async for event in stream:
            first["n"] = event["n"] + 1
            break
        await asyncio.Event().wait()

    @app.agent(source(app, topics, "other"))
    async def add(stream: Any) -> None:
        async for event in stream:
            sums[event["user"]] += event["amount"]

    async with running(app):
        await drained(app, topics, "other", 50)
    assert topics.table("first") == {"n": 1} and topics.table("sums") == truth(events(50))


async def test_what_a_failed_commit_held_is_read_again_and_nothing_is_committed_behind_it(
    topics: Topics, tmp_path: Path
) -> None:
    """The commit fails as no client would fail; the app ends, and its last commit must not jump over the hole."""
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(300))
    fails = True

    def at_step(step: str) -> None:
        nonlocal fails
        if fails and step == "produced":
            fails = False
            raise OSError("a step fails")

    app = made(topics, tmp_path, options=Options(at_step=at_step))
    counting(app, topics)
    async with running(app):
        assert await until(lambda: app.crashed)
    app = made(topics, tmp_path)
    counting(app, topics)
    async with running(app):
        await drained(app, topics, "in", 300)
    assert topics.table("sums") == truth(events(300))
    assert sorted(json.loads(one.value()) for one in topics.read("out")) == list(range(300))


def fence(topics: Topics, app: engine.App) -> None:
    """What a worker of the same name does, and what a call does that was given up and is still on its way."""
    for number in range(2):
        name = f"{app.conf.id}-{app.engine.instance}-{number}"
        Producer({"bootstrap.servers": topics.bootstrap, "transactional.id": name}).init_transactions(PATIENCE)


@pytest.mark.parametrize("given_up", [True, False])
async def test_only_who_gave_no_call_up_takes_a_fence_for_another_worker(
    topics: Topics, tmp_path: Path, given_up: bool
) -> None:
    """Seen when a broker was killed on a busy machine: the worker fenced itself, and ended for want of a name of its own."""
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(90)[:30])
    app = made(topics, tmp_path)
    counting(app, topics)
    async with running(app):
        await drained(app, topics, "in", 30)
        if given_up:
            app.consumer.commits._given_up = time.monotonic()
        await asyncio.to_thread(fence, topics, app)
        topics.send("in", events(90)[30:])
        if not given_up:
            assert await until(lambda: app.crashed, 60) and "same instance name" in str(app.crash_reason)
            return
        await drained(app, topics, "in", 90)
        assert not app.crashed
    assert topics.table("sums") == truth(events(90))
    assert sorted(json.loads(one.value()) for one in topics.read("out")) == list(range(90))


async def test_memory_is_bounded_by_the_options_and_not_by_the_lag(topics: Topics, tmp_path: Path) -> None:
    topics.create("in")
    topics.send("in", events(30_000))
    bounds = Options(pending=100, fetch=50, prefetch=2, prefetch_kb=64)
    app = made(topics, tmp_path, options=bounds)
    most = done = 0

    @app.agent(source(app, topics))
    async def work(stream: Any) -> None:
        nonlocal most, done
        async for _ in stream:
            done += 1
            delivery = app.consumer.delivery
            handed_out = sum(lane.pending for lane in app.consumer.work.lanes.values())
            fetched = sum(len(one.messages) for portion in list(delivery.fetcher.fetched) for one in portion)
            most = max(most, handed_out + fetched)
            if done % 100 == 0:
                await asyncio.sleep(0)

    async with running(app):
        assert await until(lambda: done == 30_000)
    assert 0 < most <= bounds.pending + (bounds.prefetch + 2) * bounds.fetch, most


async def test_of_large_records_as_many_wait_as_there_is_room_for(topics: Topics, tmp_path: Path) -> None:
    """60 MB of lag, of which one megabyte may wait at each of three places."""
    topics.create("in")
    topics.send("in", events(600), raw=json.dumps("x" * 100_000).encode())
    app = made(topics, tmp_path, options=Options(prefetch_kb=1_024))
    most, done = [0], 0

    @app.agent(source(app, topics))
    async def work(stream: Any) -> None:
        nonlocal done
        async for _ in stream:
            done += 1
            fetched = sum(
                len(one.messages) for portion in list(app.consumer.delivery.fetcher.fetched) for one in portion
            )
            most.append(fetched + sum(lane.pending for lane in app.consumer.work.lanes.values()))
            await asyncio.sleep(0.001)

    async with running(app):
        assert await until(lambda: done == 600)
    assert statistics.quantiles(most, n=10)[8] <= 60, max(most)  # but for the first portion, whose size nobody knows


async def test_a_slow_agent_starves_no_other_topic(topics: Topics, tmp_path: Path) -> None:
    topics.create("slow", "in", "out", "in.dlq")
    topics.send("slow", events(5_000))
    topics.send("in", events(5_000))
    app = made(topics, tmp_path)
    counting(app, topics)

    async def dawdle(stream: Any) -> None:
        async for _ in stream:
            await asyncio.sleep(0.5)

    app.agent(source(app, topics, "slow"))(dawdle)
    async with running(app):
        await drained(app, topics, "in", 5_000)


async def test_an_agent_that_is_stuck_ends_the_process_with_the_reason(topics: Topics, tmp_path: Path) -> None:
    topics.create("in")
    topics.send("in", events(3))
    app = made(topics, tmp_path, exactly=False, options=Options(stuck_after=1.0))

    async def hang(stream: Any) -> None:
        async for _ in stream:
            await asyncio.sleep(4)

    app.agent(source(app, topics))(hang)
    await app.start()
    assert await until(lambda: app.crashed, 15)
    assert f"one event of {topics['in']}" in str(app.crash_reason)
    app.agents.cancel()
    await app.stop()


async def test_a_job_gives_an_event_back_that_it_cannot_finish_and_it_is_begun_again(
    topics: Topics, tmp_path: Path
) -> None:
    """The worker stops in order while the event waits for something; the next one gets it."""
    topics.create("in", "in.dlq")
    topics.send("in", events(3, users=1))
    waiting, done = asyncio.Event(), list[int]()

    async def wait(stream: Any) -> None:
        async for event in stream.events():
            waiting.set()
            while app.consumer.wants(event.message.topic, event.message.partition):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            raise engine.Postponed

    async def work(stream: Any) -> None:
        async for event in stream:
            done.append(event["n"])

    options = Options(stuck_after=1.0, long_events=True)
    app = made(topics, tmp_path, exactly=False, options=options)
    app.agent(source(app, topics), concurrency=2)(wait)
    async with running(app):
        assert await until(waiting.is_set)
        await asyncio.sleep(2)  # longer than an event may take that is no job's
    app = made(topics, tmp_path, exactly=False)
    app.agent(source(app, topics))(work)
    async with running(app):
        assert await until(lambda: len(done) == 3)
    assert done == [0, 1, 2] and not topics.read("in.dlq")


async def test_an_output_that_the_broker_would_not_take_fails_alone(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(20))
    app = made(topics, tmp_path)
    out = app.topic(topics["out"], key_type=bytes, value_type=bytes, value_serializer="raw")

    async def boast(stream: Any) -> None:
        async for event in stream:
            await out.send(key=b"k", value=b"x" * (2_000_000 if event["n"] == 7 else 10))

    app.agent(source(app, topics))(boast)
    async with running(app):
        await drained(app, topics, "in", 20)
    assert len(topics.read("out")) == 19 and len(topics.read("in.dlq")) == 1


async def test_an_output_topic_that_does_not_exist_stops_the_worker(topics: Topics, tmp_path: Path) -> None:
    topics.create("in")
    topics.send("in", events(3))
    app = made(topics, tmp_path, options=Options(commit_attempts=1, client={"topic.metadata.propagation.max.ms": 100}))
    counting(app, topics)
    async with running(app):
        assert await until(lambda: app.crashed)
    assert "nothing could be committed" in str(app.crash_reason) and topics["out"] in str(app.crash_reason)


async def test_jobs_end_out_of_order_and_commit_the_prefix_without_a_gap(topics: Topics, tmp_path: Path) -> None:
    topics.create("in")
    topics.send("in", events(40, users=1))
    app = made(topics, tmp_path, exactly=False)
    gate, ended = asyncio.Event(), list[int]()

    async def work(stream: Any) -> None:
        async for event in stream:
            if event["n"] == 5:
                await gate.wait()
            ended.append(event["n"])

    app.agent(source(app, topics), concurrency=8)(work)
    async with running(app):
        assert await until(lambda: len(ended) == 39), ended
        await asyncio.sleep(0.5)
        assert max(shard.committed.get(topics["in"], 0) for shard in app.consumer.work.shards.values()) == 5
        gate.set()
        await drained(app, topics, "in", 40)


async def test_producers_are_made_before_the_group_is_joined(topics: Topics, tmp_path: Path) -> None:
    """Partitions that others gave up for this worker do not wait for them."""
    topics.create("in")
    seen: list[tuple[str, bool]] = []
    options = Options(at_step=lambda step: seen.append((step, app.consumer.commits.member is None)))
    app = made(topics, tmp_path, options=options)
    app.agent(source(app, topics))(_nothing)
    async with running(app):
        assert await until(app.consumer.ready)
    assert seen[0] == ("fenced", True) and "fenced" not in [step for step, _ in seen[1:]]


async def test_a_take_over_waits_for_an_open_transaction_of_the_former_owner(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(30))
    app = made(topics, tmp_path)
    counting(app, topics)
    async with running(app):
        await drained(app, topics, "in", 30)
    other = Producer(
        {"bootstrap.servers": topics.bootstrap, "transactional.id": topics["other"], "transaction.timeout.ms": 20_000}
    )
    other.init_transactions(10)
    other.begin_transaction()
    other.produce(f"{topics.id}-app-sums-changelog", b"1000", b"99", 0)
    other.flush(10)
    app = made(topics, tmp_path)
    sums = counting(app, topics)
    starting = asyncio.ensure_future(app.start())
    assert not await until(app.consumer.ready, 5) and app.consumer.ownership.remaining
    await asyncio.to_thread(other.commit_transaction, 10)
    await asyncio.wait_for(starting, 20)
    assert sums[99] == 1000
    await app.stop()


async def test_a_window_counts_by_the_events_own_time(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "in.dlq")
    topics.send("in", [{"user": 1, "at": 1000.0 + n} for n in range(30)])
    app = made(topics, tmp_path)
    counts = app.Table("counts", default=int, key_type=int, value_type=int, partitions=PARTITIONS).tumbling(
        10.0, expires=1e9
    )
    seen: list[int] = []

    async def count(stream: Any) -> None:
        async for event in stream:
            counts[event["user"]] += 1
            seen.append(counts[event["user"]].value())

    app.agent(source(app, topics))(count)
    async with running(app):
        await drained(app, topics, "in", 30)
    assert max(seen) == 30


async def test_sending_inside_an_event_cannot_be_awaited_and_outside_it_can(topics: Topics, tmp_path: Path) -> None:
    topics.create("in", "out", "in.dlq")
    topics.send("in", events(1))
    app = made(topics, tmp_path)
    out, told = app.topic(topics["out"], key_type=bytes, value_serializer="json"), list[str]()

    async def ask(stream: Any) -> None:
        async for _ in stream:
            try:
                await (await out.send(key=b"k", value=1))
            except RuntimeError as why:
                told.append(str(why))

    app.agent(source(app, topics))(ask)
    async with running(app):
        await drained(app, topics, "in", 1)
        sent: Awaitable[Any] = await out.send(key=b"k", value=2)
        metadata = await asyncio.wait_for(sent, 10)
        assert metadata.topic == topics["out"] and metadata.offset >= 0
    assert told and "after the event" in told[0]


# -- without a broker


def test_what_is_not_supported_is_refused_with_a_sentence(tmp_path: Path) -> None:
    app = engine.App("x", broker="librdkafka://127.0.0.1:1", datadir=tmp_path, processing_guarantee="exactly_once",
                     web_enabled=False, table_standby_replicas=1, Stream="faust.Stream")  # fmt: skip
    app.GlobalTable("everywhere")
    app.Table("mutable", value_type=list)
    app.Table("elsewhere", store="aerospike://x")
    topic = app.topic("t")

    @app.agent(topic, concurrency=3)
    async def many(stream: Any) -> None: ...

    told = " / ".join(refusals(app))
    for word in ("standby", "everywhere", "mutable", "elsewhere", "many", "Stream: a class of one's own"):
        assert word in told, told


def test_asking_whether_a_worker_is_ready_makes_no_consumer(tmp_path: Path) -> None:
    """It is asked by a thread for HTTP, perhaps before the app has come to its consumer, which would then run in no loop."""
    app = engine.App("w", broker="librdkafka://127.0.0.1:1", datadir=tmp_path, web_enabled=False)
    app._started.set()
    assert unready(app) == "no partitions are assigned yet"
    assert not app.begun


async def test_agents_and_tables_can_be_tested_without_a_broker(tmp_path: Path) -> None:
    app = engine.App("y", broker="librdkafka://127.0.0.1:1", datadir=tmp_path, web_enabled=False)
    sums = app.Table("sums", default=int)

    @app.agent(app.topic("t"))
    async def add(stream: Any) -> AsyncIterator[int]:
        async for n in stream:
            sums["all"] += n
            yield sums["all"]

    async with add.test_context() as agent:
        for n in (1, 2, 3):
            await agent.put(n)
        assert agent.results[2] == 6


async def test_a_tables_value_cannot_be_changed_in_place(tmp_path: Path) -> None:
    app = engine.App("z", broker="librdkafka://127.0.0.1:1", datadir=tmp_path, web_enabled=False)
    table = app.Table("t", default=tuple)
    with pytest.raises(TypeError, match="use a tuple"):
        table["a"] = []
    with pytest.raises(TypeError, match="outside of stream iteration"):
        table["a"] = ()
