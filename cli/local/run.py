"""`soulfra run`: everything on one machine, in order, until someone asks it to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cli.local.children import Asked, Child, Part, Process
from cli.local.home import Holder, Home, since
from cli.local.java import jars, java
from cli.local.kafka import Kafka
from cli.local.mend import mend
from cli.local.ports import free, must_be_usable, ports, problems
from cli.local.valkey import Valkey
from config import Settings, name_of, settings
from config.explain import is_set

LEFTOVERS = 8.0  # seconds that the parts of a killed launcher may take to end


class Launcher:
    """The parts that run, in the order they were started."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.asked = threading.Event()
        self._parts: list[Process] = []
        self._began = time.monotonic()

    def start(self, *parts: Process) -> None:
        """Starts these together and waits until all serve."""
        for part in parts:
            self._parts.append(part)
            part.spawn()
        for part in parts:
            part.until_ready(self.asked)
            self.say(f"{part.name} is ready (process {part.pid})")

    def do(self, part: Process) -> None:
        """Waits for one that does its work and ends."""
        self._parts.append(part)
        part.spawn()
        part.until_done(self.asked)
        self._parts.remove(part)
        self.say(f"{part.name} done")

    def watch(self) -> None:
        """Returns when asked to stop. Raises Failed with the last log lines of a part that died."""
        while not self.asked.wait(0.2):
            for part in self._parts:
                if not part.running:
                    raise part.died()

    def stop(self) -> None:
        """The last started first: nobody loses what it writes to before it is gone itself."""
        for part in reversed(self._parts):
            part.stop()
        self._parts.clear()

    def say(self, what: str) -> None:
        print(f"  {time.monotonic() - self._began:5.1f} s  {what}", flush=True)


def run(first: Sequence[Child] | None = None, children: Sequence[Child] | None = None) -> None:
    """Starts everything, says how to use it, waits, and stops it in order.

    `first` run one after the other and end before the children start. Raises Failed when a part dies.
    """
    now = settings()
    home = Home(now.local.data)
    home.open()
    with home.held() as before:
        _take_over(before, now)
        must_be_usable(ports(now))
        _have_kafka()
        launcher = Launcher(home.logs)
        with _stopped_by_signals(launcher.asked):
            try:
                _start(launcher, now, home, first, children)
                given = first_token(now)
                if children is None:
                    _introduce(address_of(now), given)
                _say_how_to_use(now, given)
                launcher.watch()
            except Asked:
                pass
            finally:
                print("stopping …", flush=True)
                launcher.stop()
    print("stopped; everything is kept in " + str(home.folder), flush=True)


def _have_kafka() -> None:
    """Fetched before anything runs: it is slow the first time, and Ctrl-C ends it at once."""
    if not is_set("kafka.bootstrap"):
        java()
        jars()


def _start(
    launcher: Launcher,
    now: Settings,
    home: Home,
    first: Sequence[Child] | None,
    children: Sequence[Child] | None,
) -> None:
    print(f"Soulfra starts; data and logs are in {home.folder}", flush=True)
    environment = _start_servers(launcher, now, home)
    health = health_ports(now)
    environment |= {name_of(f"telemetry.{key}"): str(port) for key, port in health.items()}
    for child in topics_applied() if first is None else first:
        launcher.do(Part(child, home.logs, environment))
    if not is_set("kafka.bootstrap"):
        _mend(launcher, now)
    wanted = parts(now, health) if children is None else children
    launcher.start(*(Part(child, home.logs, environment) for child in wanted))


def _start_servers(launcher: Launcher, now: Settings, home: Home) -> dict[str, str]:
    """Starts broker and Redis server, unless the settings name running ones; how the children find everything."""
    environment = {name_of("local.data"): str(home.folder)}
    servers: list[Process] = []
    if not is_set("redis.url"):
        valkey = Valkey(home.folder / "valkey", now.local.redis_port, home.logs)
        servers.append(valkey)
        environment[name_of("redis.url")] = valkey.url
    if not is_set("kafka.bootstrap"):
        kafka = Kafka(home.folder / "kafka", now.local.kafka_port, now.local.controller_port, home.logs)
        servers.insert(0, kafka)
        environment[name_of("kafka.bootstrap")] = kafka.bootstrap
    launcher.start(*servers)
    return environment


def _mend(launcher: Launcher, now: Settings) -> None:
    """A broker that was killed may have left transactions hanging, which would stop the workers for ever."""
    if ended := mend(now):
        launcher.say(f"{len(ended)} transactions that the broker had left hanging were ended")


def topics_applied() -> list[Child]:
    return [Child("topics", command("topics", "apply"))]


def parts(now: Settings, health: Mapping[str, int]) -> list[Child]:
    """The workers and the edge, in the order they start; they stop the other way round."""
    host = reachable(now.telemetry.host)

    def ready(key: str) -> str:
        return f"http://{host}:{health[key]}/readyz"

    return [
        Child("projector", command("worker", "projector"), ready("projector_port")),
        Child("tables", command("worker", "tables"), ready("tables_port")),
        Child("analysis", command("worker", "analysis"), ready("analysis_port")),
        Child("api", command("api"), ready("edge_port")),
    ]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli", *words]


def health_ports(now: Settings) -> dict[str, int]:
    """Where each part tells of its health; 0 becomes a free port."""
    keys = ("edge_port", "tables_port", "analysis_port", "projector_port")
    return {key: getattr(now.telemetry, key) or free(now.telemetry.host) for key in keys}


def reachable(host: str) -> str:
    """The address to dial for a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104


def first_token(now: Settings) -> Path:
    from config.keys import ensure_first_token

    return ensure_first_token(now)


def _take_over(before: Holder | None, now: Settings) -> None:
    """The last launcher was killed: its guardian may still be ending its parts, whose ports we need."""
    if before is None:
        return
    print(f"the last run (process {before.pid}, since {since(before.started)}) was killed; taking over", flush=True)
    until = time.monotonic() + LEFTOVERS
    while problems(ports(now)) and time.monotonic() < until:
        time.sleep(0.2)


@contextmanager
def _stopped_by_signals(asked: threading.Event) -> Iterator[None]:
    """Ctrl-C, `soulfra stop` and a closed terminal ask to stop; asking twice changes nothing."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda *_: asked.set()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def address_of(now: Settings) -> str:
    return now.edge.public_url or f"http://{reachable(now.edge.host)}:{now.edge.port}"


def _introduce(address: str, token: Path) -> None:
    """Registers the person of the first-run token, once: trust begins with that."""
    import httpx

    bearer = {"Authorization": f"Bearer {token.read_text().strip()}"}
    with httpx.Client(base_url=address, headers=bearer, timeout=10) as client:
        for _ in range(50):  # the projector may still be filling Redis
            known = client.get("/v1/users/me").status_code
            if known != 503:
                break
            time.sleep(0.1)
        if known == 404:
            client.post("/v1/users", json={"me": True})


def _say_how_to_use(now: Settings, token: Path) -> None:
    address = address_of(now)
    token = Path(os.path.relpath(token)) if token.is_relative_to(Path.cwd()) else token
    print(
        f"""
Soulfra is ready:  {address}

  your token       .venv/bin/soulfra token prints it (kept in {token}, valid for {now.auth.token_days} days, renewed by a start in its last week)
  try it           .venv/bin/soulfra upload --sample
  your own chat    curl -H "Authorization: Bearer $(cat {token})" \\
                     -H 'Content-Disposition: attachment; filename="chat.txt"' \\
                     --data-binary @chat.txt {address}/v1/chats
  next             open {address} on this machine; .venv/bin/soulfra doctor when something seems wrong
  stop             Ctrl-C here, or .venv/bin/soulfra stop
""",
        flush=True,
    )
