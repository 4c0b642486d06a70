"""A release in which tables have new versions meets what an older one left: folded anew, nothing said twice, old things removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.conftest import PARTS, System, eventually
from tests.log import records, send, usage
from topics import TRUST_ROWS, USAGE_ROWS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
MOVED = ("edge", "projector", "tables")  # parts that know the tables
OLD, NEW = ([f"{table.domain}.v{table.version + n}" for table in (TRUST_ROWS, USAGE_ROWS)] for n in (0, 1))
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
            timeout=90,
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
        system.begin(name)
    for name in MOVED:
        system.ready(name)


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


def read(system: System, user: str, path: str) -> tuple[int, Any]:
    with system.client(user=user) as client:
        answer = client.get(f"/v1/users/me/{path}")
        return answer.status_code, answer.json()


def meters(system: System, user: str) -> dict[str, str]:
    return {row["meter"]: row["quantity"] for row in read(system, user, "usage")[1].get("meters", [])}


def outputs(system: System, user: str) -> Counter[str]:
    topics = ("trust.updated", "agent.suggested", "usage.recorded")
    return Counter(topic for topic in topics for one in records(system, topic) if one.key() == f"main/{user}".encode())


def broker_topics(system: System) -> set[str]:
    return set(AdminClient({"bootstrap.servers": system.kafka.bootstrap}).list_topics(timeout=10).topics)


def copied(system: System, table: str) -> list[bytes]:
    return list(system.redis.scan_iter(match=f"{{p*}}:{table}:*", count=1000))


def test_a_new_version_of_a_table_is_folded_beside_the_old_which_is_removed_when_it_has_caught_up(
    system: System, person: str, next_release: NextRelease
) -> None:
    said = outputs(system, person)
    assert said["trust.updated"] and said["agent.suggested"]
    next_release.run("topics", "apply")
    for name in ("projector", "edge"):
        next_release.begin(name)
        system.ready(name)
    assert {read(system, person, path)[0] for path in ("trust", "usage")} == {503}, "nothing is folded yet"
    assert read(system, person, "")[0] in (200, 404), "other tables are as they were"
    kept = next_release.leftovers("--dry-run")
    assert list(kept) == OLD and all("has not caught up yet" in row["kept"] for row in kept.values())

    next_release.begin("tables")
    system.ready("tables")
    assert eventually(lambda: read(system, person, "usage")[0] == read(system, person, "trust")[0] == 200, 60)
    assert meters(system, person)["calls"] == "7"
    assert outputs(system, person) == said, "what was said when the old version was folded is not said again"

    others = {"soulfra-tables-custom-changelog", "other-usage.v1-changelog"}
    admin = AdminClient({"bootstrap.servers": system.kafka.bootstrap})
    for made in admin.create_topics([NewTopic(name, 1) for name in others]).values():
        made.result(20)
    before = broker_topics(system)
    assert eventually(lambda: not any(row["kept"] for row in next_release.leftovers("--dry-run").values()), 60, 1)
    doctor = json.loads(next_release.run("doctor", "--json"))["findings"]
    [finding] = [one for one in doctor if one["about"] == "old tables"]
    assert finding["ok"] and "soulfra topics prune" in finding["says"] and all(name in finding["says"] for name in OLD)
    assert all(row["deleted"] and row["keys"] for row in next_release.leftovers("--yes").values())
    assert eventually(lambda: before - broker_topics(system) == {f"soulfra-tables-{name}-changelog" for name in OLD})
    assert not any(copied(system, name) for name in OLD) and all(copied(system, name) for name in NEW)
    assert next_release.leftovers("--yes") == {} and read(system, person, "usage")[0] == 200


def test_what_a_newer_release_wrote_is_never_removed(system: System) -> None:
    """Whoever goes back a release may go forward again."""
    name = "soulfra-tables-users.v99-changelog"
    admin = AdminClient({"bootstrap.servers": system.kafka.bootstrap})
    admin.create_topics([NewTopic(name, 1)])[name].result(20)
    rows = {row["table"]: row for row in json.loads(system.run("topics", "prune", "--yes", "--json"))}
    assert "newer release" in rows["users.v99"]["kept"] and not rows["users.v99"]["deleted"]
    assert name in broker_topics(system)
    admin.delete_topics([name])[name].result(20)
