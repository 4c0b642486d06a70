"""How a Redis client of ours is set: one wire protocol, one rule for trying again, whatever stands behind the address.

    redis://host:6379/0                               one server (rediss:// with TLS)
    redis+sentinel://host:26379,host:26379/name/0     the server that Sentinels call `name`

Each may have user:password@ in front of the hosts. RESP2 is spoken even if the address asks for another protocol: the
shapes of answers differ. A connection that broke is tried once more, at once; a server that does not answer in time is
not: whoever asks decides how long to wait for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.connection import BlockingConnectionPool as AsyncPool
from redis.asyncio.connection import parse_url as parse_async_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as Broken
from redis.retry import Retry

SENTINEL = "redis+sentinel"
EVICTS_NOTHING = "noeviction"
TURN = 5.0  # seconds that a reader waits for a connection


class Address(NamedTuple):
    """Of Sentinels, and the server that they are asked for."""

    hosts: list[tuple[str, int]]
    service: str
    login: dict[str, Any]


def connect(url: str, timeout: float) -> redis.Redis:
    """A blocking client whose every step takes at most `timeout` seconds. Raises ValueError for an address of another form."""
    limits, retry = _limits(timeout), Retry(NoBackoff(), 1, supported_errors=(Broken,))
    if not _asks_sentinels(url):
        found: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
        pool = redis.ConnectionPool(**{**found, **limits, "retry": retry})
        return redis.Redis.from_pool(pool)
    address = parse(url)
    sentinel = redis.Sentinel(address.hosts, sentinel_kwargs=limits)  # type: ignore[no-untyped-call]
    return sentinel.master_for(address.service, retry=retry, **limits, **address.login)  # type: ignore[no-any-return, no-untyped-call]


def connect_async(url: str, timeout: float, connections: int) -> redis.asyncio.Redis:
    """A client for an event loop, with at most so many connections, for which others wait their turn."""
    limits, retry = _limits(timeout), AsyncRetry(NoBackoff(), 1, supported_errors=(Broken,))
    if not _asks_sentinels(url):
        bounds: dict[str, Any] = {"max_connections": connections, "timeout": TURN, "retry": retry}
        return redis.asyncio.Redis.from_pool(AsyncPool(**{**parse_async_url(url), **limits, **bounds}))
    address = parse(url)
    sentinel = redis.asyncio.Sentinel(address.hosts, sentinel_kwargs=limits)  # type: ignore[no-untyped-call]
    bounds = {"max_connections": connections, "retry": retry}
    return sentinel.master_for(address.service, **bounds, **limits, **address.login)  # type: ignore[no-any-return]


def parse(url: str) -> Address:
    """Raises ValueError with a sentence."""
    split = urlsplit(url)
    login, _, hosts = split.netloc.rpartition("@")
    found = [_host(host) for host in hosts.split(",") if host]
    service, _, number = split.path.strip("/").partition("/")
    if not found or not service:
        raise ValueError(f"write {SENTINEL}://host:26379,host:26379/name/0")
    user, _, password = login.partition(":")
    known = {"username": unquote(user), "password": unquote(password)}
    more: dict[str, Any] = {name: value for name, value in known.items() if value}
    if number:
        more["db"] = int(number)
    return Address(found, service, more)


def risk(client: redis.Redis) -> str:
    """A sentence where the server may evict rows: a reader would take their absence for an answer. Raises RedisError."""
    memory: Any = client.info("memory")
    policy = memory.get("maxmemory_policy", EVICTS_NOTHING)
    if policy == EVICTS_NOTHING:
        return ""
    return f"Redis has maxmemory-policy {policy} and would drop rows that people then miss; set it to {EVICTS_NOTHING}"


def _limits(timeout: float) -> dict[str, Any]:
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "protocol": 2}


def _asks_sentinels(url: str) -> bool:
    return urlsplit(url).scheme == SENTINEL


def _host(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition(":")
    return (name, int(number)) if name else (number, 26379)
