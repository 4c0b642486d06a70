"""How a Redis client of ours is set: one wire protocol, one rule for trying again, whatever stands behind the address.

RESP2 is spoken even if the address asks for another protocol: the shapes of answers differ. A connection that broke is
tried once more, at once; a server that does not answer in time is not: whoever asks decides how long to wait for it.
"""

from __future__ import annotations

from typing import Any, cast

import redis
import redis.asyncio
from redis.asyncio.cluster import ClusterNode as AsyncNode
from redis.asyncio.connection import parse_url as parse_async_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import parse_url
from redis.exceptions import ConnectionError as Broken
from redis.retry import Retry

from config.address import CLUSTER, kind_of, parse

EVICTS_NOTHING = "noeviction"


def connect(url: str, timeout: float) -> redis.Redis:
    """A blocking client whose every step takes at most `timeout` seconds. Raises ValueError for an address of another form."""
    limits, retry = _limits(timeout), Retry(NoBackoff(), 1, supported_errors=(Broken,))
    kind = kind_of(url)
    if not kind:
        found: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
        pool = redis.ConnectionPool(**{**found, **limits, "retry": retry})
        return redis.Redis.from_pool(pool)
    address = parse(url)
    if kind == CLUSTER:
        nodes = [ClusterNode(*host) for host in address.hosts]  # type: ignore[no-untyped-call]
        return cast(redis.Redis, redis.RedisCluster(startup_nodes=nodes, retry=retry, **limits, **address.login))
    sentinel = redis.Sentinel(address.hosts, sentinel_kwargs=limits)  # type: ignore[no-untyped-call]
    return sentinel.master_for(address.service, retry=retry, **limits, **address.login)  # type: ignore[no-any-return, no-untyped-call]


def connect_async(url: str, timeout: float, connections: int) -> redis.asyncio.Redis:
    """A client for an event loop. More than so many connections are refused: whoever uses it takes turns."""
    limits, retry = _limits(timeout), AsyncRetry(NoBackoff(), 1, supported_errors=(Broken,))
    bounds: dict[str, Any] = {"max_connections": connections, "retry": retry, **limits}
    kind = kind_of(url)
    if not kind:
        return redis.asyncio.Redis.from_pool(redis.asyncio.ConnectionPool(**{**parse_async_url(url), **bounds}))
    address = parse(url)
    if kind == CLUSTER:
        nodes = [AsyncNode(*host) for host in address.hosts]
        return cast(redis.asyncio.Redis, redis.asyncio.RedisCluster(startup_nodes=nodes, **bounds, **address.login))
    sentinel = redis.asyncio.Sentinel(address.hosts, sentinel_kwargs=limits)  # type: ignore[no-untyped-call]
    return sentinel.master_for(address.service, **bounds, **address.login)  # type: ignore[no-any-return]


def risk(client: redis.Redis) -> str:
    """A sentence where the server may evict rows: a reader would take their absence for an answer. Raises RedisError."""
    either: Any = client  # a cluster's client has the commands of a server's, and is typed as one
    in_cluster = isinstance(either, redis.RedisCluster)
    nodes = either.info("memory", target_nodes=either.PRIMARIES).values() if in_cluster else [either.info("memory")]
    policies = {node.get("maxmemory_policy", EVICTS_NOTHING) for node in nodes} - {EVICTS_NOTHING}
    if not policies:
        return ""
    policy = ", ".join(sorted(policies))
    return f"Redis has maxmemory-policy {policy} and would drop rows that people then miss; set it to {EVICTS_NOTHING}"


def _limits(timeout: float) -> dict[str, Any]:
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "protocol": 2}
