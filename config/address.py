"""The address of a Redis, in one of these forms:

    redis://host:6379/0                               one server
    redis+sentinel://host:26379,host:26379/name/0     the server that Sentinels call `name`
    redis+cluster://host:6379,host:6379               a cluster, of which these are some

Each may have user:password@ in front of the hosts; rediss instead of redis means TLS.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

SENTINEL, CLUSTER = "sentinel", "cluster"
FORMS = {
    SENTINEL: "redis+sentinel://host:26379,host:26379/name/0",
    CLUSTER: "redis+cluster://host:6379,host:6379",
    "": "redis://host:6379/0, redis+sentinel://host:26379/name/0 or redis+cluster://host:6379, each with rediss for TLS",
}
PORTS = {SENTINEL: 26379, CLUSTER: 6379}


class Address(NamedTuple):
    """Sentinels and the name of their primary server, or nodes of a cluster."""

    hosts: list[tuple[str, int]]
    service: str
    login: dict[str, Any]


def kind_of(url: str) -> str:
    """What answers at an address: SENTINEL, CLUSTER, or one server (empty). Raises ValueError with the forms."""
    scheme, _, kind = urlsplit(url).scheme.partition("+")
    if scheme not in ("redis", "rediss") or kind not in FORMS:
        raise ValueError(f"write {FORMS['']}")
    return kind


def parse(url: str) -> Address:
    """The address of Sentinels or of a cluster. Raises ValueError with a sentence."""
    split, kind = urlsplit(url), kind_of(url)
    login, _, hosts = split.netloc.rpartition("@")
    try:
        found = [_host(host, PORTS[kind]) for host in hosts.split(",") if host]
        service, _, number = split.path.strip("/").partition("/")
        database = int(number or 0)
    except ValueError:
        found, service, database = [], "", 0
    if not found or (kind == SENTINEL) != bool(service):
        raise ValueError(f"write {FORMS[kind]}")
    user, _, password = login.partition(":")
    known = {"username": unquote(user), "password": unquote(password), "db": database}
    more: dict[str, Any] = {name: value for name, value in known.items() if value}
    return Address(found, service, more | ({"ssl": True} if split.scheme.startswith("rediss") else {}))


def check(url: str) -> None:
    """Raises ValueError, with a sentence, for an address that cannot be understood."""
    if kind_of(url):
        parse(url)
        return
    split = urlsplit(url)
    try:
        understood = bool(split.hostname) and split.port != 0 and int(split.path.strip("/") or 0) >= 0
    except ValueError:
        understood = False
    if not understood:
        raise ValueError(f"write {FORMS['']}")


def _host(text: str, port: int) -> tuple[str, int]:
    name, _, number = text.rpartition(":")
    return (name, int(number)) if name else (number, port)
