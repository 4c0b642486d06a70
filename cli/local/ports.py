"""The ports of one machine: who needs which, which setting moves it, and whether it is free."""

from __future__ import annotations

import random
import socket
from typing import NamedTuple

from pydantic import SecretStr

from cli.errors import Failed
from config import Settings, name_of
from config.explain import is_set

QUIET = range(12_000, 32_000)  # below what operating systems give to outgoing connections
WORKERS = ("tables", "analysis", "projector")


class Port(NamedTuple):
    """One number on one host, and the setting that says it."""

    part: str
    host: str
    number: int
    key: str

    @property
    def setting(self) -> str:
        return name_of(self.key)


def free(host: str = "127.0.0.1") -> int:
    """The number of a port that nobody listens on now, and that no outgoing connection is given later."""
    for _ in range(1_000):
        if _can_be_bound(host, number := random.SystemRandom().choice(QUIET)):
            return number
    raise Failed("no port is free between 12000 and 32000")


def serving(settings: Settings) -> Settings:
    """The settings with the addresses of the servers that `soulfra run` starts, where they name no others."""
    kafka, redis = settings.kafka, settings.redis
    if not is_set("kafka.bootstrap"):
        kafka = kafka.model_copy(update={"bootstrap": f"127.0.0.1:{settings.local.kafka_port}"})
    if not is_set("redis.url"):
        redis = redis.model_copy(update={"url": SecretStr(f"redis://127.0.0.1:{settings.local.redis_port}/0")})
    return settings.model_copy(update={"kafka": kafka, "redis": redis})


def ports(settings: Settings) -> list[Port]:
    """Every port that `soulfra run` will listen on with these settings; 0 means that any will do."""
    local, telemetry, edge = settings.local, settings.telemetry, settings.edge
    needed = [Port("api", edge.host, edge.port, "edge.port")]
    needed.append(Port("health of api", telemetry.host, telemetry.edge_port, "telemetry.edge_port"))
    for worker in WORKERS:
        key = f"{worker}_port"
        needed.append(Port(f"health of {worker}", telemetry.host, getattr(telemetry, key), f"telemetry.{key}"))
    if not is_set("kafka.bootstrap"):
        needed.append(Port("broker", "127.0.0.1", local.kafka_port, "local.kafka_port"))
        needed.append(Port("controller", "127.0.0.1", local.controller_port, "local.controller_port"))
    if not is_set("redis.url"):
        needed.append(Port("valkey", "127.0.0.1", local.redis_port, "local.redis_port"))
    return needed


def problems(needed: list[Port]) -> list[str]:
    """What is wrong with them: the same number twice, or taken by another program."""
    first: dict[int, Port] = {}
    found = []
    for port in needed:
        if port.number and (other := first.setdefault(port.number, port)) is not port:
            found.append(f"{other.setting} and {port.setting} both say {port.number}; set one to another port")
        elif port.number and not is_free(port):
            found.append(
                f"port {port.number} ({port.part}) is taken{_by(port.number)}; end that, or set {port.setting}"
            )
    return found


def must_be_usable(needed: list[Port]) -> None:
    """Raises Failed that names every port in the way and the setting that moves it."""
    if found := problems(needed):
        raise Failed("\n  ".join(found))


def is_free(port: Port) -> bool:
    return _can_be_bound(port.host, port.number)


def _can_be_bound(host: str, number: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True


def _by(number: int) -> str:
    """Who listens there, where the system tells."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            there = getattr(connection.laddr, "port", None) == number
            if there and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:  # macOS shows other processes' connections to root only
        return ""
    return ""
