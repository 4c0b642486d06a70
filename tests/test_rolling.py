"""Two releases at work at once: whichever part is rolled first, no event of a newer one is lost, and nobody outside can
stop the workers by inventing one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from config.keys import ensure_first_token, new_user
from schemas.frozen import FIRST_ID, frozen
from schemas.wire import FRAME, Record, encode
from tests.conftest import PATIENCE, System, eventually
from tests.log import dead, produce, records, send, usage
from topics import INSTALLATION, installation
from topics.place import partition_of

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "cli", "config", "schemas", "soulfra", "streams", "topics")
RELEASES: dict[str, Path | None] = {}  # of parts that are not of this one
soon = eventually
NOTE = '    note: Annotated[str, OPEN] = Field("", description="a word about it")\n'


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next release: two events have one field more, and their contracts are frozen."""
    folder = tmp_path_factory.mktemp("newer")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pom.xml", folder)
    usages = folder / "schemas" / "usage.py"
    text = usages.read_text().replace(
        "from schemas.fields import ", "from typing import Annotated\nfrom schemas.fields import OPEN, "
    )
    usages.write_text(text.rstrip() + "\n" + NOTE)
    chats = folder / "schemas" / "chat.py"
    known = '    format: Annotated[str, OPEN] = Field("", description="format the caller named; empty: recognise it")\n'
    assert known in chats.read_text()
    chats.write_text(chats.read_text().replace(known, known + NOTE))
    done = subprocess.run(
        [sys.executable, "-m", "cli", "schemas", "freeze"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "UsageRecorded version 2" in done.stdout and "ChatUploaded version 2" in done.stdout, done.stderr
    return folder


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own: what a newer release wrote stays in the log."""
    before = dict(os.environ)
    made = System(tmp_path_factory.mktemp("rolling"))
    ensure_first_token(made.settings)
    made.start()
    yield made
    made.close()
    os.environ.clear()
    os.environ.update(before)


def roll(system: System, release: Path | None, *names: str) -> None:
    """Has these parts be of a release, as an upgrade does it; nothing happens to those that are."""
    going = [name for name in names if RELEASES.get(name) != release]
    for name in going:
        system.kill(name, signal.SIGTERM)
        system.begin(name, release=release)
        RELEASES[name] = release
    for name in going:
        assert soon(lambda name=name: answer(system, name)[0] == 200), answer(system, name)  # type: ignore[misc]


def answer(system: System, name: str, path: str = "readyz") -> tuple[int, str]:
    try:
        got = httpx.get(f"http://127.0.0.1:{system.ports[name]}/{path}", timeout=PATIENCE)
    except httpx.HTTPError:
        return 0, ""
    return got.status_code, got.text


def total(system: System, user: str) -> int:
    """Of the meter that these tests write."""
    with system.client(user=user) as client:
        got = client.get("/v1/users/me/usage")
        meters = got.json()["meters"] if got.is_success else []
        return sum(int(meter["quantity"]) for meter in meters if meter["meter"] == "calls")


def paused(system: System, name: str, topic: str) -> float:
    text = answer(system, name, "metrics")[1]
    lines = [
        line for line in text.splitlines() if line.startswith("soulfra_paused_partitions{") and f'"{topic}"' in line
    ]
    return float(lines[0].split()[-1]) if lines else -1.0


def with_schema(record: Record, schema_id: int) -> Record:
    return record._replace(value=FRAME.pack(0, schema_id) + record.value[FRAME.size :])


def apart(user: str) -> str:
    """Somebody whose events lie in another partition."""
    return next(
        other for other in iter(new_user, "") if partition_of(f"main/{other}", 8) != partition_of(f"main/{user}", 8)
    )


def test_an_older_releases_apply_takes_nothing_back(rolling: System) -> None:
    known = installation.recorded(rolling.settings.kafka)
    assert known == installation.ours() and known.newest == FIRST_ID + len(frozen()) - 1
    installation.write(rolling.settings.kafka, installation.CONTRACTS, b'{"newest": 7, "events": []}')
    installation.write(rolling.settings.kafka, installation.CONTRACTS, b"no JSON")
    installation.write(rolling.settings.kafka, "another fact", b"kept")
    assert "as the catalogue says" in rolling.run("topics", "apply")
    assert installation.recorded(rolling.settings.kafka) == known
    assert installation.read(rolling.settings.kafka, "another fact") == [b"kept"]


def test_an_invented_contract_or_type_is_set_aside_and_pauses_nobody(rolling: System) -> None:
    user = new_user()
    good = encode(usage(user))
    headers = [(name, b"soul.sold" if name == "ce_type" else value) for name, value in good.headers]
    for bad in (with_schema(good, frozen()[-1].id + 1), with_schema(good, 2**32 - 1), good._replace(headers=headers)):
        produce(rolling, "usage.recorded", bad)
    send(rolling, usage(user, quantity="5"))
    assert soon(lambda: total(rolling, user) == 5), total(rolling, user)
    letters = dead(rolling, "usage.recorded", good.key)
    assert [letter["soulfra.reason"] for letter in letters] == ["malformed"] * 3
    assert answer(rolling, "tables")[0] == 200 and soon(lambda: paused(rolling, "tables", "usage.recorded") == 0)


def test_older_workers_under_a_newer_edge_pause_in_front_of_what_they_do_not_know_and_nothing_is_lost(
    rolling: System, newer: Path, sample: bytes
) -> None:
    assert INSTALLATION in rolling.run("topics", "plan", release=newer)
    rolling.run("topics", "apply", release=newer)
    roll(rolling, None, "tables", "analysis")
    roll(rolling, newer, "edge")
    user = new_user()
    other = apart(user)
    with rolling.client(("events:write", "chats"), user) as client:
        event = {"specversion": "1.0", "id": "1", "source": "test", "type": "usage.recorded", "subject": user,
                 "data": {"meter": "calls", "quantity": "3", "note": "new"}}  # fmt: skip
        client.post(
            "/v1/events", json=event, headers={"Content-Type": "application/cloudevents+json"}
        ).raise_for_status()
        chat = client.post("/v1/chats", content=sample).raise_for_status().json()["chat_id"]
    place = f"usage.recorded/{partition_of(f'main/{user}', 8)}"
    assert soon(lambda: place in answer(rolling, "tables")[1]), answer(rolling, "tables")
    status, said = answer(rolling, "tables")
    assert status == 503 and f"{place} is paused at offset" in said and "newer release" in said
    assert soon(lambda: "chat.uploaded/" in answer(rolling, "analysis")[1]), answer(rolling, "analysis")
    assert soon(
        lambda: paused(rolling, "tables", "usage.recorded") == 1 == paused(rolling, "analysis", "chat.uploaded")
    )
    assert answer(rolling, "tables", "healthz")[0] == 200 and answer(rolling, "analysis", "healthz")[0] == 200

    send(rolling, usage(user, quantity="4"))
    send(rolling, usage(other, quantity="6"))
    assert soon(lambda: total(rolling, other) == 6), "another partition does not go on"
    assert total(rolling, user) == 0, "what lies behind the event was counted before it"

    roll(rolling, newer, "tables", "analysis")
    assert soon(lambda: total(rolling, user) == 7), total(rolling, user)
    with rolling.client(("chats",), user) as client:
        done = client.get(f"/v1/chats/{chat}?until=analysis&wait=30s").raise_for_status().json()
    assert done["status"] == "done"
    letters = [
        letter
        for topic in ("usage.recorded", "chat.uploaded")
        for letter in dead(rolling, topic, f"main/{user}".encode())
    ]
    assert letters == [] and not list(records(rolling, "analysis.done.dlq"))


def test_newer_workers_under_an_older_edge_are_nothing_special(rolling: System, newer: Path) -> None:
    roll(rolling, newer, "tables", "analysis")
    roll(rolling, None, "edge")
    user = new_user()
    with rolling.client(("events:write",), user) as client:
        event = {"specversion": "1.0", "id": "1", "source": "test", "type": "usage.recorded", "subject": user,
                 "data": {"meter": "calls", "quantity": "2"}}  # fmt: skip
        client.post(
            "/v1/events", json=event, headers={"Content-Type": "application/cloudevents+json"}
        ).raise_for_status()
    assert soon(lambda: total(rolling, user) == 2), total(rolling, user)
