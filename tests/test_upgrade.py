"""A release in which tables have new versions meets what an older one left: folded anew, nothing said twice, old things removed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from api.copy import NOW, Copy
from api.problem import Problem
from api.stopping import Stopping
from schemas.wire import Record
from tests.conftest import PARTS, PATIENCE, System, eventually
from tests.log import produce, records, send, usage
from topics import CHAT_ROWS, TRUST_ROWS, USAGE_ROWS, Table

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
MOVED = ("projector", "tables")
CHANGED = [TRUST_ROWS, USAGE_ROWS]
NEXT_TABLES = [replace(table, version=table.version + 1) for table in CHANGED]
OLD, NEW = ([table.name for table in tables] for tables in (CHANGED, NEXT_TABLES))
# The next release: this one, with new versions of two tables.
NEXT = """
import topics
for table in (topics.TRUST_ROWS, topics.USAGE_ROWS):
    object.__setattr__(table, "version", table.version + 1)
from cli import main
main()
"""


class NextRelease:
    """Its parts on the ports and data of a running system."""

    def __init__(self, system: System) -> None:
        self.system = system

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", NEXT, *words],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ,
        )
        assert done.returncode == 0 or words[0] == "doctor", done.stderr
        return done.stdout

    def begin(self, name: str) -> None:
        with (self.system.folder / f"{name}.log").open("ab") as log:
            self.system.running[f"next {name}"] = subprocess.Popen(
                [sys.executable, "-c", NEXT, *PARTS[name]], stdout=log, stderr=log, start_new_session=True
            )

    def old_tables(self) -> list[dict[str, Any]]:
        """What doctor says of them; nothing while a busy broker does not answer in time."""
        return [one for one in json.loads(self.run("doctor", "--json"))["findings"] if one["about"] == "old tables"]

    def leftovers(self, *words: str) -> dict[str, dict[str, Any]]:
        return {row["table"]: row for row in json.loads(self.run("topics", "prune", "--json", *words))}


@pytest.fixture
def next_release(system: System) -> Iterator[NextRelease]:
    """In the place of the present one, which comes back afterwards."""
    for name in MOVED:
        system.kill(name, signal.SIGTERM)
    yield NextRelease(system)
    for name in [name for name in system.running if name.startswith("next ")]:
        system.kill(name, signal.SIGTERM)
    system.run("topics", "apply")
    for name in MOVED:
        system.restart(name)


@pytest.fixture
def person(system: System, sample: bytes) -> str:
    """Somebody whose chat was analysed, and whose usage was counted, by the present release."""
    with system.client() as client:
        chat = client.post("/v1/chats", content=sample).json()
        assert client.get(chat["links"]["done"]).json()["status"] == "done"
        user: str = client.user  # type: ignore[attr-defined]
        send(system, usage(user, quantity="7"))
        assert eventually(
            lambda: meters(system, user).get("calls") == "7" and "agents.suggested" in meters(system, user)
        )
    return user


def rows(system: System, table: Table[Any], user: str) -> dict[str, bytes] | int:
    """What the edge of a release with this table reads; the status where that is a refusal."""

    async def read() -> dict[str, bytes] | int:
        copy = Copy(system.settings, Stopping(1.0))
        try:
            return (await copy.snapshot(table, f"main/{user}", NOW)).rows
        except Problem as problem:
            return problem.status
        finally:
            await copy.close()

    return asyncio.run(read())


def meters(system: System, user: str) -> dict[str, str]:
    with system.client(user=user) as client:
        return {row["meter"]: row["quantity"] for row in client.get("/v1/users/me/usage").json().get("meters", [])}


def outputs(system: System, user: str) -> Counter[str]:
    topics = ("trust.updated", "agent.suggested", "usage.recorded")
    return Counter(topic for topic in topics for one in records(system, topic) if one.key() == f"main/{user}".encode())


def broker_topics(system: System) -> set[str]:
    return set(AdminClient({"bootstrap.servers": system.kafka.bootstrap}).list_topics(timeout=PATIENCE).topics)


def copied(system: System, table: str) -> list[bytes]:
    return list(system.redis.scan_iter(match=f"{{p*}}:{table}:*", count=1000))


def test_a_new_version_of_a_table_is_folded_beside_the_old_which_is_removed_when_it_has_caught_up(
    system: System, person: str, next_release: NextRelease
) -> None:
    said, before = outputs(system, person), [rows(system, table, person) for table in CHANGED]
    assert said["trust.updated"] and said["agent.suggested"]
    next_release.run("topics", "apply")
    next_release.begin("projector")
    system.ready("projector")
    assert [rows(system, table, person) for table in NEXT_TABLES] == [503, 503], "nothing is folded yet"
    assert isinstance(rows(system, CHAT_ROWS, person), dict), "other tables are as they were"
    kept = next_release.leftovers("--dry-run")
    assert list(kept) == OLD and all("has not caught up yet" in row["kept"] for row in kept.values())

    next_release.begin("tables")
    system.ready("tables")
    assert eventually(lambda: [rows(system, table, person) for table in NEXT_TABLES] == before)
    assert outputs(system, person) == said, "what was said when the old version was folded is not said again"

    others = {"soulfra-tables-custom-changelog", "other-usage.v1-changelog"}
    admin = AdminClient({"bootstrap.servers": system.kafka.bootstrap})
    for made in admin.create_topics([NewTopic(name, 1) for name in others]).values():
        made.result(20)
    there = broker_topics(system)
    assert eventually(lambda: not any(row["kept"] for row in next_release.leftovers("--dry-run").values()), every=1)
    [finding] = eventually(next_release.old_tables)
    assert finding["ok"] and "soulfra topics prune" in finding["says"] and all(name in finding["says"] for name in OLD)
    assert all(row["deleted"] and row["keys"] for row in next_release.leftovers("--yes").values())
    assert eventually(lambda: there - broker_topics(system) == {f"soulfra-tables-{name}-changelog" for name in OLD})
    assert not any(copied(system, name) for name in OLD) and all(copied(system, name) for name in NEW)
    assert next_release.leftovers("--yes") == {} and rows(system, NEXT_TABLES[1], person) == before[1]


def test_rows_that_a_release_cannot_read_stop_its_worker_with_a_sentence(
    system: System, next_release: NextRelease
) -> None:
    next_release.run("topics", "apply")
    changelog = f"soulfra-tables-{NEW[1]}-changelog"
    produce(system, changelog, Record(b"main/u_1#calls", b'{"meter": 7}', []), 0)
    words = [sys.executable, "-c", NEXT, "worker", "tables"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    admin = AdminClient({"bootstrap.servers": system.kafka.bootstrap})  # kept in a name: its futures die with it
    admin.delete_topics([changelog])[changelog].result(PATIENCE)
    sentences = [
        line["message"] for line in map(json.loads, done.stdout.splitlines()) if line["log.level"] == "critical"
    ]
    assert done.returncode == 1 and f"table {NEW[1]}: its changelog" in sentences[-1], done.stdout[-2000:]
    assert "soulfra reset" in sentences[-1] and not done.stderr


def test_what_a_newer_release_wrote_is_never_removed(system: System) -> None:
    """Whoever goes back a release may go forward again."""
    name = "soulfra-tables-users.v99-changelog"
    admin = AdminClient({"bootstrap.servers": system.kafka.bootstrap})
    admin.create_topics([NewTopic(name, 1)])[name].result(20)
    left = {row["table"]: row for row in json.loads(system.run("topics", "prune", "--yes", "--json"))}
    assert "newer release" in left["users.v99"]["kept"] and not left["users.v99"]["deleted"]
    assert name in broker_topics(system)
    admin.delete_topics([name])[name].result(20)
