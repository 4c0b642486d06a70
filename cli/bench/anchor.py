"""robinhood/faust#340 repeated: count the events of a topic in a table, exactly once, `kill -9` in the middle, start again.

The reporter counted 299,356 of 300,000. Here stock Faust and the engine do the same on one broker, one after the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from cli.bench.faults import PARTITIONS, committed
from cli.bench.stream import PEERS_VENV
from cli.bench.table import Row
from cli.local.kafka import Kafka
from cli.local.ports import free

SILENT = 180.0  # seconds without a change in the table, after which it is what it is; a session of stock Faust is 60
KEYS = 1_000
LOOK = 0.2  # seconds between two looks at the table


class Counter(NamedTuple):
    """A system that counts, and how to read a row of its table."""

    name: str
    where: Path
    words: list[str]
    value: Callable[[Any], int]


def counters(bootstrap: str, folder: Path) -> list[Counter]:
    here = Path(__file__).parent
    stock = [str(PEERS_VENV / "bin" / "python"), "-m", "peers.counting", bootstrap, "stock", str(folder / "stock")]
    ours = [sys.executable, "-m", "cli.bench.counting", bootstrap, "engine", "w0", str(folder / "engine")]
    return [
        Counter("stock faust", here, stock, lambda row: int(row)),
        Counter("soulfra", here.parents[1], ours, lambda row: int(row[0])),
    ]


def measure(events: int, kills: int, say: Callable[[str], None]) -> list[Row]:
    """What each system's table says at the end. The kills are spread over the first counting of the events."""
    with tempfile.TemporaryDirectory(prefix="soulfra-anchor-") as folder:
        kafka = Kafka(Path(folder) / "kafka", free(), free())
        kafka.start()
        try:
            return [
                _counted(one, kafka.bootstrap, events, kills, say) for one in counters(kafka.bootstrap, Path(folder))
            ]
        finally:
            kafka.stop()


def _counted(counter: Counter, bootstrap: str, events: int, kills: int, say: Callable[[str], None]) -> Row:
    name = counter.words[4]
    _fill(bootstrap, name, events)
    Path(counter.words[-1]).mkdir()
    total, changed, done = 0, time.monotonic(), 0
    process = _start(counter)
    try:
        while total < events and time.monotonic() - changed < SILENT:
            time.sleep(LOOK)
            seen = _total(bootstrap, name, counter)
            if seen != total:
                total, changed = seen, time.monotonic()
                say(f"{counter.name}: {total} of {events} counted, {done} kills")
            if done < kills and events > total > events * done // (kills + 1):
                process.kill()
                process.wait(10)
                done += 1
                process = _start(counter)
                changed = time.monotonic()
        time.sleep(4)  # a doubled event may be yet to come
        total = _total(bootstrap, name, counter)
    finally:
        process.kill()
        process.wait(10)
    return Row(f"{events} events, {done} kills: counted", counter.name, "events", [total])


def _fill(bootstrap: str, name: str, events: int) -> None:
    topics = [NewTopic(f"{name}-in", PARTITIONS, 1), NewTopic(f"{name}-out", PARTITIONS, 1)]
    topics.append(NewTopic(f"{name}-totals-changelog", PARTITIONS, 1, config={"cleanup.policy": "compact"}))
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics(topics).values():
        made.result()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": events + 1})
    for n in range(events):
        user = f"u{n % KEYS}"
        producer.produce(f"{name}-in", json.dumps({"user": user, "amount": 1, "n": n}), user)
    producer.flush(60)


def _start(counter: Counter) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        counter.words, cwd=counter.where, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _total(bootstrap: str, name: str, counter: Counter) -> int:
    """The sum of the newest rows in the changelog, committed records only."""
    rows: dict[bytes, int] = {}
    for message in committed(bootstrap, f"{name}-totals-changelog"):
        if message.value() is not None and not (message.key() or b"").startswith(b"@"):
            rows[message.key()] = counter.value(json.loads(message.value()))
    return sum(rows.values())
