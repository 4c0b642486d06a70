"""What older releases left behind: changelogs, and rows in Redis, of tables that this release has in a newer version.

Nothing else is looked at: no topic of events, no dead letters, no topic of another application. What the newer version of a
table has not caught up with yet is kept, and so is what a newer release wrote.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import redis
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from config import Settings
from config.redis import connect
from topics import TABLES, TABLES_APP, Table
from topics.broker import admin
from topics.copy import state_key
from topics.plan import topic_ids

CHANGELOG = re.compile(rf"^{re.escape(TABLES_APP)}-([a-z]+)\.v([0-9]{{1,6}})-changelog$")
KEY = re.compile(rb"^\{p[0-9]{1,5}\}:([a-z]+)\.v([0-9]{1,6}):")
KEYS = "{p*}:*.v*:*"  # of rows and states, as Redis matches
STEP = 1_000  # keys looked at, and removed, at once
WITHIN = 15.0  # seconds for an answer


class Unknown(Exception):
    """It cannot be seen what is left over; the message says why."""


@dataclass(frozen=True)
class Leftover:
    """A version of a table that this release does not have."""

    domain: str
    version: int
    changelog: bool  # whether there is one
    records: int  # of it, at most
    keys: int  # in Redis
    kept: str  # why it must stay; empty when it may be removed

    @property
    def table(self) -> str:
        return f"{self.domain}.v{self.version}"

    @property
    def topic(self) -> str:
        return f"{TABLES_APP}-{self.table}-changelog"


def leftovers(settings: Settings) -> list[Leftover]:
    """What is left over, by table. Raises Unknown with a sentence."""
    try:
        with connect(settings.redis.url.get_secret_value(), WITHIN) as store:
            keys = Counter(of for _, of in _keys(store))
            changelogs = _changelogs(admin(settings.kafka))
            return [
                Leftover(domain, version, name in changelogs, changelogs.get(name, 0), keys[domain, version], why)
                for domain, version in sorted({*keys, *map(_table, changelogs)} - _current())
                for name in [f"{TABLES_APP}-{domain}.v{version}-changelog"]
                for why in [_kept(settings, store, domain, version)]
            ]
    except redis.RedisError as away:
        raise Unknown(f"Redis does not answer ({type(away).__name__}); see SOULFRA_REDIS__URL") from None
    except KafkaException as away:
        raise Unknown(f"the broker at {settings.kafka.bootstrap} does not answer ({away.args[0].str()})") from None


def prune(settings: Settings, removable: list[Leftover]) -> int:
    """Removes what may be removed; how many keys of Redis went. Raises Unknown."""
    gone = {(one.domain, one.version) for one in removable if not one.kept}
    names = [one.topic for one in removable if one.changelog and not one.kept]
    try:
        if names:
            broker = admin(settings.kafka)  # kept in a name: its futures die with it
            for future in broker.delete_topics(names, operation_timeout=WITHIN).values():
                future.result()
        with connect(settings.redis.url.get_secret_value(), WITHIN) as store:
            keys = (key for key, of in _keys(store) if of in gone)
            return sum(int(store.unlink(*some)) for some in iter(lambda: list(islice(keys, STEP)), []))
    except redis.RedisError as away:
        raise Unknown(f"Redis does not answer ({type(away).__name__}); run it again when it does") from None
    except KafkaException as refused:
        raise Unknown(f"the broker did not delete the changelogs: {refused.args[0].str()}") from None


def _keys(store: redis.Redis) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """Every key of a version that this release does not have, and which; looked for in steps, so that Redis serves others."""
    current = _current()
    for key in store.scan_iter(match=KEYS, count=STEP):
        read = KEY.match(key)
        if read and (of := (read[1].decode(), int(read[2]))) not in current:
            yield key, of


def _changelogs(broker: AdminClient) -> dict[str, int]:
    """Records of each changelog that this release does not have, at most: compaction leaves gaps."""
    wanted = {table.changelog for table in TABLES}
    there = {
        name: topic
        for name, topic in broker.list_topics(timeout=WITHIN).topics.items()
        if CHANGELOG.match(name) and name not in wanted
    }
    places = [TopicPartition(name, number) for name, topic in there.items() for number in topic.partitions]
    if not places:
        return {}
    ends, starts = (
        broker.list_offsets(dict.fromkeys(places, spec), request_timeout=WITHIN)
        for spec in (OffsetSpec.latest(), OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    )
    records = Counter[str](dict.fromkeys(there, 0))
    for place in places:
        records[place.topic] += _offset(ends[place]) - _offset(starts[place])
    return dict(records)


def _offset(answer: Any) -> int:
    """Raises KafkaException also where librdkafka does not: a leader did not answer in time."""
    offset: int = answer.result().offset
    if offset < 0:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the leader of a partition does not answer"))
    return offset


def _table(changelog: str) -> tuple[str, int]:
    read = CHANGELOG.match(changelog)
    assert read is not None, "only these are looked at"  # noqa: S101
    return read[1], int(read[2])


def _current() -> set[tuple[str, int]]:
    return {(table.domain, table.version) for table in TABLES}


def _kept(settings: Settings, store: redis.Redis, domain: str, version: int) -> str:
    """Why a version must stay: nothing newer has taken its place, or not everywhere yet."""
    newer = next((table for table in TABLES if table.domain == domain), None)
    if newer is None:
        return f"this release has no table {domain}; the release that has it may still need it"
    if newer.version < version:
        return f"a newer release wrote it; this one has {newer.name}"
    behind = _behind(settings, store, newer)
    if behind:
        some = ", ".join(map(str, behind[:8])) + (", …" if len(behind) > 8 else "")
        return f"{newer.name} has not caught up yet on partition {some}; see that the workers run, and try again"
    return ""


def _behind(settings: Settings, store: redis.Redis, table: Table[Any]) -> list[int]:
    """Partitions whose copy in Redis is not complete, or of another changelog."""
    try:
        id = topic_ids(admin(settings.kafka), [table.changelog])[table.changelog].encode()
    except KafkaException:  # it was not made yet
        return list(range(settings.kafka.partitions))
    steps = store.pipeline(transaction=False)
    for partition in range(settings.kafka.partitions):
        steps.hmget(state_key(table.name, partition), "changelog", "complete")
    return [number for number, state in enumerate(steps.execute()) if state != [id, b"1"]]
