"""What an operator does to a Soulfra at work, and what happens to it: polite restarts of every process in turn, a projector
that is killed, a long time without Kafka, without Redis, with a Redis that hangs, and behind a transaction that somebody
leaves open. All of it while events, reads and large uploads come; afterwards each person's total is compared with what was
accepted."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from confluent_kafka import Producer, TopicPartition

from cli.bench import exports
from cli.bench.faults import reader
from cli.bench.fleet import KINDS, Fleet, Front, Member, Person
from cli.bench.table import Row
from cli.local.mend import mend_at
from topics import USAGE, USAGE_ROWS
from topics.place import Position
from topics.rows import RESERVED

PEOPLE = 50
BATCH = 20  # events of one POST
METER = "bench.calls"
LATE = 1.0  # seconds from an event's first sending until it is in the committed table
READS = 20.0  # a second
UPLOAD, PACE = 100_000_000, 20_000_000  # bytes of a file, and of it a second
PIECE = 1_000_000  # bytes
REST = 5.0  # seconds between two restarts, and before the first
SETTLED = 300.0  # seconds that everything may take to be counted at the end
WITHIN = 60.0  # seconds for a call to Kafka


class Plan(NamedTuple):
    """How long, in seconds, each outage lasts; 0: leave it out."""

    rate: int  # events a second
    kafka: float
    redis: float
    hanging: float
    transaction: float
    uploads: int  # at a time
    kills: int  # of a projector


class Restart(NamedTuple):
    """What one polite restart came to."""

    name: str
    end: float  # seconds
    ready: float  # seconds
    late: int  # events that were counted later than LATE
    moved: int  # times that a partition got another owner


class Outage(NamedTuple):
    """What one outage came to."""

    name: str
    end: float  # seconds from SIGTERM to the end, of the slowest process
    ready: float  # seconds until all processes were ready again


class Outcome(NamedTuple):
    """What came of it all."""

    events: int
    lost: int
    doubled: int
    uploads: int
    uploads_lost: int  # accepted, and never analysed
    failed: list[str]  # answers that are neither good nor "not now, send it again"
    restarts: list[str]  # what Kubernetes would have started anew
    passed_on: int
    refused: int
    hanging: int  # transactions that the broker had left so, and that were ended as `soulfra doctor --mend` does
    slowest: float  # seconds from sending to table, during the restarts
    rolled: list[Restart]
    outages: list[Outage]
    killed: list[float]  # seconds until a projector was ready after `kill -9`
    reads: list[float]  # seconds of each, during the restarts


class Watch(threading.Thread):
    """Follows the positions of the usage table as they are committed: when each event is in it."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        super().__init__(daemon=True)
        self.late, self.slowest = 0, 0.0
        self._lock = threading.Lock()
        self._next: dict[int, tuple[int, float]] = dict.fromkeys(range(partitions), (0, 0.0))
        self._sent: dict[int, deque[tuple[int, float]]] = defaultdict(deque)
        self._consumer = reader(bootstrap)
        self._consumer.assign([TopicPartition(USAGE_ROWS.changelog, n, 0) for n in range(partitions)])
        self.start()

    def run(self) -> None:
        while True:
            for message in self._consumer.consume(1_000, 0.05):
                if message.error() is None and (message.key() or b"").startswith(RESERVED.encode()):
                    reached = json.loads(message.value() or b"{}").get("next", {}).get(USAGE.name, 0)
                    self._reached(message.partition() or 0, reached)

    def _reached(self, partition: int, next: int) -> None:
        now = time.monotonic()
        with self._lock:
            if next > self._next[partition][0]:
                self._next[partition] = (next, now)
            waiting = self._sent[partition]
            while waiting and waiting[0][0] < next:
                self._count(now - waiting.popleft()[1])

    def sent(self, positions: list[Position], at: float) -> None:
        """Events that were stored, and when they were sent first."""
        with self._lock:
            for position in positions:
                next, when = self._next[position.partition]
                if position.offset < next:
                    self._count(when - at)
                else:
                    self._sent[position.partition].append((position.offset, at))

    def _count(self, seconds: float) -> None:
        self.late += seconds > LATE
        self.slowest = max(self.slowest, seconds)

    @property
    def waiting(self) -> int:
        with self._lock:
            return sum(map(len, self._sent.values()))


class Owners(threading.Thread):
    """Counts how often a partition of the usage topic gets another owner, from the metrics of the tables workers.

    The Admin client does not describe the group: librdkafka 2.16 may end the process while a coordinator does not answer.
    """

    EVERY = 0.25  # seconds
    LAG = re.compile(
        rf'^soulfra_consumer_lag_records{{.*partition="(\d+)",topic="{re.escape(USAGE.name)}"', re.MULTILINE
    )

    def __init__(self, members: list[Member]) -> None:
        super().__init__(daemon=True)
        self.moved, self.over = 0, threading.Event()
        self._members, self._owner = members, dict[str, str]()
        self.start()

    def run(self) -> None:
        while not self.over.wait(self.EVERY):
            for member in self._members:
                with suppress(httpx.HTTPError):
                    self._look(member)

    def _look(self, member: Member) -> None:
        text = httpx.get(f"http://127.0.0.1:{member.health}/metrics", timeout=WITHIN).text
        for partition in self.LAG.findall(text):
            before, self._owner[partition] = self._owner.get(partition), member.name
            self.moved += before not in (None, member.name)


class Load:
    """Events, reads and uploads, each in threads of its own, until `stop`."""

    def __init__(self, plan: Plan, fleet: Fleet, watch: Watch, files: list[Path]) -> None:
        self.plan, self.fleet, self.front, self.watch = plan, fleet, fleet.front, watch
        self.people = [fleet.person() for _ in range(PEOPLE)]
        self.accepted: dict[str, int] = defaultdict(int)  # events, by person
        self.chats: list[tuple[Person, str]] = []
        self.reads: list[float] = []
        self.over = threading.Event()
        self._files = files
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._events, self._reads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(SETTLED)

    def _events(self) -> None:
        """What was not accepted is sent again before the next: nothing is left out."""
        writer, began = self.people[0], time.monotonic()
        n = 0
        while not self.over.is_set():
            batch = [self._event(self.people[(n + i) % PEOPLE]) for i in range(BATCH)]
            first = time.monotonic()
            while batch:
                batch = self._sent(writer, batch, first)
            n += BATCH
            ahead = began + n / self.plan.rate - time.monotonic()
            if ahead < -LATE:  # it was held up: nobody catches up
                began -= ahead
            time.sleep(max(0.0, ahead))

    def _event(self, person: Person) -> dict[str, Any]:
        return {"specversion": "1.0", "type": USAGE.name, "source": "bench", "id": uuid.uuid4().hex, "subject": person.user,
                "data": {"meter": METER, "quantity": "1"}}  # fmt: skip

    def _sent(self, writer: Person, batch: list[dict[str, Any]], first: float) -> list[dict[str, Any]]:
        """Sends them; what is to be sent again."""
        body, kind = json.dumps(batch).encode(), "application/cloudevents-batch+json"
        answer = self.front.send(writer, "POST", "/v1/events", body, **{"Content-Type": kind})
        verdicts = answer.json().get("verdicts", []) if answer is not None else []
        positions = {verdict["id"]: verdict["position"] for verdict in verdicts if verdict["status"] == "accepted"}
        for event in batch:
            self.accepted[event["subject"]] += event["id"] in positions
        self.watch.sent([Position.parse(position) for position in positions.values()], first)
        return [event for event in batch if event["id"] not in positions]

    def _reads(self) -> None:
        n = 0
        while not self.over.wait(1 / READS):
            began = time.monotonic()
            if self.front.send(self.people[n % PEOPLE], "GET", "/v1/users/me/usage") is not None:
                self.reads.append(time.monotonic() - began)
            n += 1

    def upload(self) -> None:
        """All files at once, as long as that takes."""
        begun = [threading.Thread(target=self._upload, args=(file,), daemon=True) for file in self._files]
        for thread in begun:
            thread.start()
        self._threads += begun

    def _upload(self, file: Path) -> None:
        """Tries again until it is accepted."""
        person, answer = self.fleet.person(), None
        while answer is None and not self.over.is_set():
            answer = self.front.send(person, "POST", "/v1/chats", lambda: self._paced(file))
        if answer is not None and answer.status_code == 202:
            self.chats.append((person, answer.json()["chat_id"]))

    def _paced(self, file: Path) -> Iterator[bytes]:
        with file.open("rb") as content:
            while piece := content.read(PIECE):
                yield piece
                time.sleep(PIECE / PACE)

    def counted(self, person: Person) -> int:
        """As the edge tells it."""
        while (answer := self.front.send(person, "GET", "/v1/users/me/usage")) is None:
            pass
        return sum(int(meter["quantity"]) for meter in answer.json()["meters"] if meter["meter"] == METER)


def analysed(front: Front, person: Person, chat: str) -> bool:
    answer = front.send(person, "GET", f"/v1/chats/{chat}")
    return answer is not None and answer.json().get("status") in ("done", "failed")


class Run:
    """The fleet, its load, and what is done to it."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self.plan, self.folder, self.say, self.hanging = plan, folder, say, 0

    def go(self) -> Outcome:
        files = [self.folder / f"chat-{n}.txt" for n in range(self.plan.uploads)]
        for n, file in enumerate(files):
            exports.write(file, "whatsapp", UPLOAD, n)
        self.fleet = fleet = Fleet(self.folder)
        try:
            fleet.start()
            self.watch = Watch(fleet.kafka.bootstrap, fleet.settings.kafka.partitions)
            self.owners = Owners(fleet.of("tables"))
            load = Load(self.plan, fleet, self.watch, files)
            load.start()
            time.sleep(REST)
            load.upload()
            rolled = [self._restarted(member) for kind in reversed(KINDS) for member in fleet.of(kind)]
            slowest, reads = self.watch.slowest, sorted(load.reads)
            self.owners.over.set()
            self.owners.join()
            killed = [self._killed(fleet.of("projector")[0]) for _ in range(self.plan.kills)]
            outages = [self._outage(load, *one) for one in self._outages() if one[1]]
            load.stop()
            return self._outcome(load, rolled, killed, outages, slowest, reads)
        finally:
            fleet.stop()

    def _restarted(self, member: Member) -> Restart:
        late, moved = self.watch.late, self.owners.moved
        ended = self.fleet.end(member)
        member.begin()
        ready = self.fleet.back(member)
        time.sleep(REST)
        late, moved = self.watch.late - late, self.owners.moved - moved
        restart = Restart(member.name, round(ended, 1), round(ready, 1), late, moved)
        self.say(f"restarted {restart}")
        return restart

    def _killed(self, member: Member) -> float:
        """Its partitions become free when its session is over."""
        member.kill()
        member.begin()
        ready = round(self.fleet.back(member), 1)
        self.say(f"{member.name} was killed, and ready after {ready} s")
        return ready

    def _outages(self) -> Iterator[tuple[str, float, Callable[[], Any], Callable[[], Any]]]:
        kafka, valkey, plan = self.fleet.kafka, self.fleet.valkey, self.plan
        yield "Kafka away", plan.kafka, kafka.stop, self._kafka_is_back
        yield "Redis away", plan.redis, valkey.stop, valkey.start
        hang, go_on = signal.SIGSTOP, signal.SIGCONT
        yield "Redis hangs", plan.hanging, lambda: os.kill(valkey.pid, hang), lambda: os.kill(valkey.pid, go_on)
        yield "a transaction left open", plan.transaction, self._opened, lambda: self._open.abort_transaction(WITHIN)

    def _kafka_is_back(self) -> None:
        """One node that is stopped under load leaves transactions hanging, also when it is stopped politely (docs/engine.md)."""
        self.fleet.kafka.start()
        self.hanging += len(mend_at(self.fleet.settings.kafka))

    def _opened(self) -> None:
        """Somebody's, on every partition of the usage topic: nothing behind it can be read."""
        self._open = Producer({"bootstrap.servers": self.fleet.kafka.bootstrap, "transactional.id": "bench-open",
                               "transaction.timeout.ms": int(self.plan.transaction * 1000) + 60_000, "log_level": 0})  # fmt: skip
        self._open.init_transactions(WITHIN)
        self._open.begin_transaction()
        for partition in range(self.fleet.settings.kafka.partitions):
            self._open.produce(USAGE.name, b"{}", b"main/nobody", partition)
        self._open.flush(WITHIN)

    def _outage(
        self, load: Load, name: str, seconds: float, begin: Callable[[], Any], end: Callable[[], Any]
    ) -> Outage:
        """In the middle of it one process of each kind gets SIGTERM and is started again; uploads begin before."""
        self.say(f"{name}, for {seconds:.0f} s …")
        until = time.monotonic() + seconds
        begin()
        load.upload()
        time.sleep(seconds / 2)
        members = [self.fleet.of(kind)[0] for kind in KINDS]
        ended = max(self.fleet.end(member) for member in members)
        for member in members:
            member.begin()
        time.sleep(max(0.0, until - time.monotonic()))
        end()
        ready = self.fleet.until_ready()
        self.fleet.front.out.clear()
        outage = Outage(name, round(ended, 1), round(ready, 1))
        self.say(f"{outage}, {len(self.fleet.restarts.found)} restarts so far")
        return outage

    def _outcome(
        self,
        load: Load,
        rolled: list[Restart],
        killed: list[float],
        outages: list[Outage],
        slowest: float,
        reads: list[float],
    ) -> Outcome:
        until = time.monotonic() + SETTLED
        while self.watch.waiting and time.monotonic() < until:
            time.sleep(1)
        time.sleep(REST)  # until the copy has it, too
        counted = {person.user: load.counted(person) for person in load.people}
        unread = load.chats
        while unread and time.monotonic() < until:
            unread = [one for one in unread if not analysed(load.front, *one)]
            time.sleep(1)
        front = load.front
        return Outcome(
            sum(load.accepted.values()),
            sum(max(0, load.accepted[user] - n) for user, n in counted.items()),
            sum(max(0, n - load.accepted[user]) for user, n in counted.items()),
            len(load.chats),
            len(unread),
            front.failed,
            self.fleet.restarts.found,
            front.passed_on,
            front.refused,
            self.hanging,
            round(slowest, 1),
            rolled,
            outages,
            killed,
            reads,
        )


def measure(plan: Plan, say: Callable[[str], None]) -> tuple[Outcome, list[Row]]:
    """Runs it in a folder of its own. Takes the time of the outages and about three minutes more."""
    with tempfile.TemporaryDirectory(prefix="soulfra-rolling-", ignore_cleanup_errors=True) as folder:
        outcome = Run(plan, Path(folder), say).go()
    return outcome, tabulated(outcome)


def tabulated(outcome: Outcome) -> list[Row]:
    rows = [
        Row("events", "soulfra", "", [outcome.events]),
        Row("events lost", "soulfra", "", [outcome.lost]),
        Row("events doubled", "soulfra", "", [outcome.doubled]),
        Row("uploads lost", "soulfra", "", [outcome.uploads_lost]),
        Row("requests failed", "soulfra", "", [len(outcome.failed)]),
        Row("processes that Kubernetes would have restarted", "soulfra", "", [len(outcome.restarts)]),
        Row("transactions that the broker left hanging", "soulfra", "", [outcome.hanging]),
        Row("event sent until counted, slowest", "soulfra", "s", [outcome.slowest]),
        Row("reads, 99 of 100", "soulfra", "s", [round(outcome.reads[len(outcome.reads) * 99 // 100], 3)]),
    ]
    for kind in reversed(KINDS):
        of = [one for one in outcome.rolled if one.name.startswith(kind)]
        rows += [
            Row(f"restart of {kind}: end", "soulfra", "s", [one.end for one in of]),
            Row(f"restart of {kind}: ready", "soulfra", "s", [one.ready for one in of]),
            Row(f"restart of {kind}: events later than {LATE:.0f} s", "soulfra", "", [one.late for one in of]),
            Row(f"restart of {kind}: partitions moved", "soulfra", "", [one.moved for one in of]),
        ]
    if outcome.killed:
        rows.append(Row("projector after kill -9: ready", "soulfra", "s", outcome.killed))
    for outage in outcome.outages:
        rows.append(Row(f"{outage.name}: slowest end", "soulfra", "s", [outage.end]))
        rows.append(Row(f"{outage.name}: all ready again", "soulfra", "s", [outage.ready]))
    return rows


def wrong(outcome: Outcome) -> str:
    """What must not be, as a sentence; empty when all is well."""
    bad = [*outcome.failed[:5], *outcome.restarts[:5]]
    if outcome.lost or outcome.doubled or outcome.uploads_lost:
        bad.append(f"lost {outcome.lost} events and {outcome.uploads_lost} uploads, doubled {outcome.doubled} events")
    return "; ".join(bad)
