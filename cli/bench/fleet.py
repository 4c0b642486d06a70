"""A Soulfra of several processes of each kind on one machine, for benches: with a broker, a Redis server, ports and a folder
of its own; and requests to it as a load balancer passes them on."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

from cli.errors import Failed
from cli.local.children import Child, Part, answers
from cli.local.kafka import Kafka
from cli.local.ports import free
from cli.local.run import command
from cli.local.valkey import Valkey
from config import Settings, name_of
from config.keys import new_user, token

KINDS = {"projector": 2, "tables": 3, "analysis": 1, "edge": 2}  # how many of each, in the order they start
WORDS = {"edge": ("api",)} | {kind: ("worker", kind) for kind in KINDS if kind != "edge"}
GRACE = 60.0  # seconds that a process has to end after SIGTERM
PROBE = 10.0  # seconds between two looks at whether a process lives (helm/templates/_helpers.tpl)
PROBES = 6  # failed ones, one after the other, at which Kubernetes starts it anew
OUT = 1.0  # seconds without requests before an edge gets its SIGTERM
AGAIN = 0.2  # seconds between two rounds over the edges
DRAIN = 20  # seconds that an edge has for what is under way

Body = bytes | Callable[[], Iterator[bytes]]


class Member(Part):
    """One process of the fleet; `kind` and the ports where it serves."""

    grace = GRACE

    def __init__(self, kind: str, number: int, logs: Path, environment: dict[str, str]) -> None:
        self.kind, self.health, self.port = kind, free(), free()
        own = {
            name_of(f"telemetry.{kind}_port"): str(self.health),
            name_of("worker.instance"): str(number),
            name_of("edge.port"): str(self.port),
        }
        ready = f"http://127.0.0.1:{self.health}/readyz"
        super().__init__(Child(f"{kind}-{number}", command(*WORDS[kind]), ready), logs, environment | own)
        self.watched = False  # whether it has to live: not while we end and begin it

    def lives(self) -> bool:
        return answers(f"http://127.0.0.1:{self.health}/healthz")

    def end(self) -> float:
        """Sends SIGTERM. Returns the seconds until it ended; raises Failed unless it did so in time and with code 0."""
        self.watched, began = False, time.monotonic()
        process = self._process
        assert process is not None  # noqa: S101 - it was started
        process.terminate()
        try:
            code = process.wait(GRACE)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {GRACE:.0f} s") from None
        if code:
            raise self.died()
        took = time.monotonic() - began
        self.stop()
        return took

    def begin(self) -> None:
        self.spawn()
        self.watched = True

    def kill(self) -> None:
        self.watched = False
        super().kill()


class Fleet:
    """All processes, their broker and their Redis server."""

    def __init__(self, folder: Path) -> None:
        logs = folder / "logs"
        self.kafka = Kafka(folder / "kafka", free(), free(), logs)
        self.kafka.grace = GRACE  # one that is ended in the middle of it leaves transactions hanging
        self.valkey = Valkey(folder / "valkey", free(), logs)
        environment = {
            name_of("local.data"): str(folder),
            name_of("kafka.bootstrap"): self.kafka.bootstrap,
            name_of("redis.url"): self.valkey.url,
            name_of("edge.drain_seconds"): str(DRAIN),
        }
        self.settings = Settings(
            kafka={"bootstrap": self.kafka.bootstrap}, redis={"url": self.valkey.url}, local={"data": folder}
        )  # fmt: skip
        self._applied = Part(Child("topics", command("topics", "apply")), logs, environment)
        self.members = [
            Member(kind, number + 1, logs, environment) for kind, many in KINDS.items() for number in range(many)
        ]
        self.front = Front([member.port for member in self.of("edge")])
        self.restarts = Restarts(self.members)

    def start(self) -> None:
        self.kafka.start()
        self.valkey.start()
        self._applied.spawn()
        self._applied.until_done()
        for member in self.members:
            member.begin()
        self.until_ready()
        self.restarts.start()

    def until_ready(self) -> float:
        """Waits for all of them; the seconds that took."""
        began = time.monotonic()
        for member in self.members:
            member.until_ready()
        return time.monotonic() - began

    def of(self, kind: str) -> list[Member]:
        return [member for member in self.members if member.kind == kind]

    def end(self, member: Member) -> float:
        """As Kubernetes does it: requests go elsewhere first. Returns seconds."""
        if member.kind == "edge":
            self.front.out.add(member.port)
            time.sleep(OUT)
        return member.end()

    def back(self, member: Member) -> float:
        """Waits until it is ready; the seconds that took."""
        began = time.monotonic()
        member.until_ready()
        self.front.out.discard(member.port)
        return time.monotonic() - began

    def stop(self) -> None:
        self.restarts.over.set()
        for part in (*reversed(self.members), self.valkey, self.kafka):
            part.stop()

    def person(self) -> Person:
        user = new_user()
        return Person(user, token(self.settings, user, ("chats", "events:write")))


class Person(NamedTuple):
    user: str
    bearer: str


class Restarts(threading.Thread):
    """What Kubernetes would have started anew: who ended by itself, and who did not live at six looks in a row."""

    def __init__(self, members: list[Member]) -> None:
        super().__init__(daemon=True)
        self.found: list[str] = []
        self.over = threading.Event()
        self._members, self._dead = members, Counter[str]()

    def run(self) -> None:
        while not self.over.wait(PROBE):
            for member in self._members:
                self._look(member)

    def _look(self, member: Member) -> None:
        if not member.watched:
            self._dead[member.name] = 0
        elif not member.running:
            self.found.append(f"{member.name} ended by itself")
            member.watched = False  # it is counted once
        else:
            self._dead[member.name] = 0 if member.lives() else self._dead[member.name] + 1
            if self._dead[member.name] == PROBES:
                self.found.append(f"{member.name} did not live for {PROBE * PROBES:.0f} s")


class Connections(threading.local):
    """Each thread's own. Where threads share them, one closes what another is about to use (httpcore 1.0)."""

    def __init__(self) -> None:
        self.client = httpx.Client(timeout=120)


class Front:
    """Passes requests on to the edges that are in service, to the next one where an edge takes none."""

    def __init__(self, ports: list[int]) -> None:
        self.out: set[int] = set()  # edges that are not in service
        self.refused, self.failed = 0, list[str]()
        self.passed_on = 0  # requests that an edge took after another had answered 503, or did not listen
        self._ports, self._turn, self._lock = ports, itertools.cycle(range(len(ports))), threading.Lock()
        self._connections = Connections()

    def send(self, person: Person, method: str, path: str, body: Body = b"", **headers: str) -> httpx.Response | None:
        """The answer, of whatever status; None where no edge took the request: it can be sent again."""
        first, headers = next(self._turn), {"Authorization": f"Bearer {person.bearer}", **headers}
        ports = [port for port in self._ports[first:] + self._ports[:first] if port not in self.out]
        for n, port in enumerate(ports):
            request = self._connections.client.build_request(
                method, f"http://127.0.0.1:{port}{path}", content=body() if callable(body) else body, headers=headers
            )
            try:
                answer = self._connections.client.send(request)
            except httpx.ConnectError:
                continue
            except httpx.HTTPError as broken:
                self._failed(f"{method} {path}: {broken!r}")
                return None
            if answer.status_code == 503:
                continue
            if answer.is_error and answer.status_code not in (404, 412):
                self._failed(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            with self._lock:
                self.passed_on += n > 0
            return answer
        with self._lock:
            self.refused += 1
        time.sleep(AGAIN)
        return None

    def _failed(self, what: str) -> None:
        with self._lock:
            self.failed.append(what)
