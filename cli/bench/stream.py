"""The engine beside its peers: one broker, one machine, the same events, rounds interleaved.

Every run is a process of its own (`cli/bench/peers/`); a rate counts from the first event until everything is committed
where the system can tell, else until the last event was worked on. Peers have their own environment.
"""

from __future__ import annotations

import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from cli.bench.peers import kafka_streams
from cli.bench.peers.click import CLICK
from cli.bench.table import Row
from cli.errors import Failed
from cli.local.kafka import HEAP, Kafka
from cli.local.ports import free
from cli.setup import VENV

PARTITIONS = 8
HOT, DISTINCT = 5_000, 200_000  # keys
CAP = 15.0  # seconds of one run; a slow system is measured over what it does in them
WARM = 8  # rounds before latency is measured
GRACE = 45.0  # seconds beyond, until a run that does not end is ended
CONCURRENT = ("-Xms1g", "-Xmx1g", "-XX:+UseZGC")  # a broker that is never stopped to collect, where latency is measured
PEERS_VENV = VENV.with_name(".venv-bench")
ORDER = ("soulfra", "kafka streams", "quix streams", "stock faust", "raw librdkafka")


class Workload(NamedTuple):
    """What every system does, and who can."""

    name: str
    what: str
    topic: str
    store: str = "memory"
    guarantee: str = "at_least_once"
    systems: tuple[str, ...] = ORDER

    @property
    def title(self) -> str:
        kind = f", {self.topic} keys" if self.topic in ("hot", "distinct") else ""
        return f"{self.name}, {self.guarantee.replace('_', ' ')}, {self.store}{kind}"


EXACT = ORDER[:4]
WORKLOADS = (
    Workload("no-op", "noop", "hot"),
    Workload("sum per key", "sum", "hot"),
    Workload("sum per key", "sum", "distinct"),
    Workload("sum per key", "sum", "hot", guarantee="exactly_once"),  # the bare loop guarantees nothing
    Workload("sum per key of typed Avro", "avro", "hot-avro", guarantee="exactly_once", systems=("soulfra",)),
    Workload("sum per key", "sum", "hot", "rocksdb", "exactly_once", EXACT),
    Workload("sum per key", "sum", "distinct", guarantee="exactly_once", systems=EXACT),
    Workload("sum per key", "sum", "distinct", "rocksdb", "exactly_once", EXACT),
    Workload("two tables and an output", "two", "hot", guarantee="exactly_once", systems=EXACT),
)


class Bench:
    """One broker with filled topics; runs systems on it."""

    def __init__(self, folder: Path, events: int, say: Callable[[str], None]) -> None:
        self.folder, self.events, self.say = folder, events, say
        self.kafka = self.broker("kafka", *HEAP)

    def broker(self, name: str, *flags: str) -> Kafka:
        return Kafka(self.folder / name, free(), free(), flags=flags)

    def fill(self) -> None:
        self.say(f"filling topics with {self.events} events each")
        self._create("hot", "hot-avro", "distinct", "hot-out-engine", "usage.recorded", "rows")
        for topic, keys in (("hot", HOT), ("distinct", DISTINCT)):
            self._produce(topic, json_events(self.events, keys))
        self._produce("hot-avro", avro_events(self.events, HOT))
        self._produce("usage.recorded", usage_events(self.events // 5))

    def _create(self, *topics: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics]).values():
            made.result()

    def _produce(self, topic: str, records: Iterator[tuple[bytes, bytes, Any]]) -> None:
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "linger.ms": 20, "partitioner": "murmur2_random",
                             "queue.buffering.max.messages": 500_000})  # fmt: skip
        for key, value, headers in records:
            while True:
                try:
                    producer.produce(topic, value, key, **({"headers": headers} if headers else {}))
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(60):
            raise Failed("the broker did not take the events of the bench")

    def run(self, system: str, workload: Workload, events: int, cap: float = CAP, *more: str) -> dict[str, Any]:
        """What the system answers. Raises Failed with the end of its log."""
        with tempfile.TemporaryDirectory(dir=self.folder) as state:
            options = ["--bootstrap", self.kafka.bootstrap, "--workload", workload.what, "--topic", workload.topic,
                       "--events", str(events), "--seconds", str(cap), "--store", workload.store,
                       "--guarantee", workload.guarantee, "--folder", state, *more]  # fmt: skip
            where, words = self._command(system)
            try:
                done = subprocess.run(
                    [*words, *options], cwd=where, capture_output=True, text=True, timeout=cap + GRACE, check=False
                )
            except subprocess.TimeoutExpired as late:
                said = (late.stderr or b"").decode()[-1500:]
                raise Failed(f"{system}, {workload.title}: no end after {cap + GRACE:.0f} s; it said: {said}") from None
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise Failed(f"{system}, {workload.title}: {(done.stderr or done.stdout)[-1500:]}")
        told: dict[str, Any] = json.loads(lines[-1])
        return told

    def _command(self, system: str) -> tuple[Path, list[str]]:
        here, ours = Path(__file__).parent, [sys.executable, "-m"]
        theirs = [str(PEERS_VENV / "bin" / "python"), "-m"]
        match system:
            case "soulfra":
                return here.parents[1], [*ours, "cli.bench.peers.engine"]
            case "kafka streams":
                return here, kafka_streams.command()
            case "quix streams":
                return here, [*theirs, "peers.quix"]
            case "stock faust":
                return here, [*theirs, "peers.stock"]
        return here, [*ours, "peers.raw"]

    def clean(self) -> None:
        """Changelogs of a run are of no use to the next one."""
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        gone = [name for name in admin.list_topics(timeout=10).topics if "bench-" in name]
        for removed in admin.delete_topics(gone).values() if gone else ():
            removed.result()


def measure(events: int, rounds: int, peers: bool, only: str, say: Callable[[str], None]) -> list[Row]:
    """Events a second, and per CPU second, for each workload and system; then recovery and latency of the engine.

    `only` leaves out the workloads whose title does not hold it.
    """
    with tempfile.TemporaryDirectory(prefix="soulfra-stream-") as folder:
        bench = Bench(Path(folder), events, say)
        try:
            bench.kafka.start()
            bench.fill()
            rows = list(_rates(bench, rounds, peers, only))
            rows += _recovery(bench, rounds) if only in "recovery" else ()
            return [*rows, *(_latency(bench, rounds) if only in "latency" else ())]
        finally:
            bench.kafka.stop()


def _rates(bench: Bench, rounds: int, peers: bool, only: str) -> Iterator[Row]:
    usage = Workload(
        "usage.recorded into the usage tables",
        "usage",
        "usage.recorded",
        guarantee="exactly_once",
        systems=("soulfra",),
    )
    for workload in (*WORKLOADS, usage):
        if only not in workload.title:
            continue
        events = bench.events // 5 if workload is usage else bench.events
        systems = [system for system in workload.systems if peers or system == "soulfra"]
        rates: dict[str, list[float]] = {system: [] for system in systems}
        per_cpu: dict[str, list[float]] = {system: [] for system in systems}
        for n in range(rounds):
            for system in systems:
                bench.say(f"{workload.title}: {system}, round {n + 1} of {rounds}")
                told = _run(bench, system, workload, events)
                if "unsupported" not in told:
                    rates[system].append(round(told["events"] / (told["committed_seconds"] or told["seconds"])))
                    per_cpu[system].append(round(told["events"] / told["cpu_seconds"]))
            bench.clean()
        for unit, found in (("events/s", rates), ("events/cpu-s", per_cpu)):
            yield from (Row(workload.title, system, unit, values) for system, values in found.items() if values)


def _run(bench: Bench, system: str, workload: Workload, events: int) -> dict[str, Any]:
    """A peer that fails has no value in that round; stock Faust sometimes does not see the topics it has just made."""
    try:
        return bench.run(system, workload, events)
    except Failed as failed:
        if system == "soulfra":
            raise
        bench.say(f"left out: {failed}")
        return {"unsupported": True}


def _recovery(bench: Bench, rounds: int) -> Iterator[Row]:
    """A table with a million rows is written by one worker and read back by another."""
    rows = max(10_000, bench.events)
    bench.say(f"recovery of {rows} rows")
    bench._produce("rows", json_events(rows, rows))
    workload = Workload("rows", "sum", "rows", guarantee="exactly_once")
    group = f"bench-rows-{uuid.uuid4().hex[:8]}"
    bench.run("soulfra", workload, rows, 120.0, "--group", group)
    told = [bench.run("soulfra", workload._replace(what="recover"), 1, CAP, "--group", group) for _ in range(rounds)]
    yield Row(f"recovery of {told[0]['events']} rows, memory", "soulfra", "rows/s",
              [round(one["events"] / one["seconds"]) for one in told])  # fmt: skip


def _latency(bench: Bench, rounds: int) -> Iterator[Row]:
    """From the producer's clock to the row, and to the output as a reader of committed records sees it.

    On a broker of its own. A transaction takes 50 ms when it has just begun, and 8 ms when Java has compiled what it does:
    some rounds do not count.
    """
    bench.kafka.stop()
    bench.kafka = bench.broker("concurrent", *CONCURRENT)
    bench.kafka.start()
    for n in range(WARM):
        bench.say(f"latency: warming the broker up, {n + 1} of {WARM}")
        _one_latency(bench, 1_000)
    for rate in (1_000, 40_000):
        found: dict[str, list[float]] = {
            "p50 to the row": [],
            "p99 to the row": [],
            "p50 to the output": [],
            "p99 to the output": [],
        }
        for n in range(rounds):
            bench.say(f"latency at {rate}/s, round {n + 1} of {rounds}")
            for name, value in _one_latency(bench, rate).items():
                found[name].append(value)
        yield from (
            Row(f"latency at {rate}/s, exactly once, memory: {name}", "soulfra", "ms", values)
            for name, values in found.items()
        )


def _one_latency(bench: Bench, rate: int, seconds: int = 8) -> dict[str, float]:
    topic = f"latency-{uuid.uuid4().hex[:8]}"
    bench._create(topic, f"{topic}-out-engine")
    events = rate * seconds
    answer: dict[str, Any] = {}
    workload = Workload("latency", "latency", topic, guarantee="exactly_once")
    worker = threading.Thread(target=lambda: answer.update(bench.run("soulfra", workload, events, 60.0)))
    worker.start()
    with watched(bench.kafka.bootstrap, f"{topic}-out-engine", events) as delays:
        time.sleep(4)  # the worker takes its partitions
        pace(bench.kafka.bootstrap, topic, events, rate)
        worker.join()
    cut = statistics.quantiles(delays or [0.0, 0.0], n=100)
    return {"p50 to the row": answer["p50"], "p99 to the row": answer["p99"],
            "p50 to the output": round(cut[49] * 1e3, 2), "p99 to the output": round(cut[98] * 1e3, 2)}  # fmt: skip


def pace(bootstrap: str, topic: str, events: int, rate: int) -> None:
    """So many events a second, each with the time at which it is sent."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 1, "socket.nagle.disable": True, "partitioner": "murmur2_random"}
    )
    began, chance, step = time.time(), random.Random(1), max(1, rate // 1_000)
    for n in range(0, events, step):
        time.sleep(max(0.0, began + n / rate - time.time()))
        for _ in range(step):
            user = f"u{chance.randrange(HOT)}"
            producer.produce(topic, json.dumps({"user": user, "amount": 1, "ts": time.time()}), user)
        producer.poll(0)
    producer.flush(30)


@contextmanager
def watched(bootstrap: str, topic: str, outputs: int) -> Iterator[list[float]]:
    """Delays of committed outputs, as they come."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "isolation.level": "read_committed",
                         "enable.auto.commit": False, "fetch.queue.backoff.ms": 5, "socket.nagle.disable": True})  # fmt: skip
    consumer.assign([TopicPartition(topic, n, 0) for n in range(PARTITIONS)])
    delays: list[float] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set() and len(delays) < outputs:
            first = consumer.poll(0.05)
            messages = [first, *consumer.consume(5_000, 0)] if first is not None else []
            now = time.time()
            delays.extend(now - json.loads(one.value() or b"")["ts"] for one in messages if one.error() is None)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield delays
        reader.join(10)
    finally:
        over.set()
        reader.join(10)
        consumer.close()


def clicks(n: int, keys: int) -> Iterator[dict[str, Any]]:
    """With as many events as keys, each key comes once."""
    chance = random.Random(1)
    for i in range(n):
        user = f"u{i if n == keys else chance.randrange(keys)}"
        amount = chance.randrange(1, 100)
        yield {"id": i, "user": user, "amount": amount, "kind": "click", "ts": 1.7e9 + i / 1000, "ok": True}


def json_events(n: int, keys: int) -> Iterator[tuple[bytes, bytes, None]]:
    """85 bytes of JSON each."""
    for event in clicks(n, keys):
        yield event["user"].encode(), json.dumps(event, separators=(",", ":")).encode(), None


def avro_events(n: int, keys: int) -> Iterator[tuple[bytes, bytes, None]]:
    """The same in Avro."""
    schema = fastavro.parse_schema(dict(CLICK))
    for event in clicks(n, keys):
        written = io.BytesIO()
        fastavro.schemaless_writer(written, schema, event)
        yield event["user"].encode(), written.getvalue(), None


def usage_events(n: int) -> Iterator[tuple[bytes, bytes, Any]]:
    """`usage.recorded` as callers send it: Avro, CloudEvents headers."""
    from schemas import UsageRecorded
    from schemas.wire import encode

    chance, at = random.Random(1), datetime.now(UTC)
    for i in range(n):
        event = UsageRecorded(
            id=f"{i}", source="bench", time=at, user=f"u{chance.randrange(HOT)}", meter="calls", quantity="0.5"
        )
        record = encode(event)
        yield record.key, record.value, record.headers
