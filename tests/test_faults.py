"""The journey while things are killed: nothing accepted is lost, tables equal an independent recount, and until they are
known again the answers say so."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from cli.bench import exports
from cli.bench.faults import Plan, Run
from config.keys import new_user
from tests.conftest import System, eventually, free_port
from tests.log import recount
from topics import USAGE_ROWS, VERDICT_ROWS
from topics.copy import state_key
from topics.place import partition_of

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
METER = "load"


class Load:
    """Somebody who sends events all the time, notes which were accepted, and looks at the total in between."""

    def __init__(self, system: System, pause: float = 0.02) -> None:
        self.user, self.accepted, self.statuses, self.seen = new_user(), 0, list[int](), list[Decimal]()
        self._client = system.client(("events:write",), self.user)
        self._pause, self._over, self._n = pause, threading.Event(), 0
        self._threads = [threading.Thread(target=work) for work in (self._send, self._look)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self) -> None:
        while not self._over.is_set():
            batch = [self._event() for _ in range(20)]
            try:
                told = self._client.post(
                    "/v1/events", json=batch, headers={"Content-Type": "application/cloudevents-batch+json"}
                )
                verdicts = told.json().get("verdicts", [])
                self.accepted += sum(verdict["status"] == "accepted" for verdict in verdicts)
            except httpx.HTTPError:
                pass
            time.sleep(self._pause)

    def _event(self) -> dict[str, object]:
        self._n += 1
        return {"specversion": "1.0", "id": f"{self._n}", "source": "load", "type": "usage.recorded",
                "data": {"meter": METER, "quantity": "0.1"}}  # fmt: skip

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                read = self._client.get("/v1/users/me/usage")
            except httpx.HTTPError:
                continue
            self.statuses.append(read.status_code)
            if read.is_success:
                self.seen.append(self._quantity(read))
            time.sleep(0.02)

    def _quantity(self, read: httpx.Response) -> Decimal:
        found = [meter["quantity"] for meter in read.json()["meters"] if meter["meter"] == METER]
        return Decimal(found[0]) if found else Decimal()

    def total(self) -> Decimal | None:
        read = self._client.get("/v1/users/me/usage")
        return self._quantity(read) if read.is_success else None


@contextmanager
def load(system: System, seconds: float = 0.0) -> Iterator[Load]:
    with Load(system) as sending:
        assert eventually(lambda: sending.accepted > 200), "nothing was accepted"
        yield sending
        time.sleep(seconds)


def equals_the_recount(system: System, sent: Load) -> None:
    """The table, the raw log and what was acknowledged agree."""
    log = recount(system, sent.user)[METER]
    assert log >= sent.accepted * Decimal("0.1"), "an accepted event is not in the log"
    assert eventually(lambda: sent.total() == log), (sent.total(), log)


def never_wrong(sent: Load) -> None:
    """Totals only grow; in between there may be 503, but no zero and no 404 from an empty copy."""
    assert set(sent.statuses) <= {200, 503}, set(sent.statuses)
    assert sent.seen == sorted(sent.seen)


def test_flushing_redis_under_load_heals_by_itself_and_no_answer_is_wrong(system: System) -> None:
    with load(system, seconds=2) as sent:
        for _ in range(3):
            system.redis.flushall()
            time.sleep(0.7)
    never_wrong(sent)
    assert 503 in sent.statuses
    equals_the_recount(system, sent)


def test_flushing_redis_without_load_heals_too(system: System) -> None:
    with load(system) as sent:
        pass
    equals_the_recount(system, sent)
    system.redis.flushall()
    assert sent.total() in (None, recount(system, sent.user)[METER])
    equals_the_recount(system, sent)


def test_while_redis_is_away_queries_say_so_and_ingest_goes_on(system: System) -> None:
    with load(system) as sent:
        system.valkey.kill()
        before = sent.accepted
        assert eventually(lambda: sent.accepted > before + 100), "ingest stopped with Redis"
        assert eventually(lambda: sent.statuses[-1] == 503)
        system.valkey.start()
        assert eventually(lambda: sent.statuses[-1] == 200)
    never_wrong(sent)
    equals_the_recount(system, sent)


@pytest.mark.parametrize("pause", [0.0, 0.3, 1.0])
def test_a_copy_that_is_ahead_of_the_log_is_made_anew_also_while_redis_hangs(system: System, pause: float) -> None:
    """The projector then gets OFFSET_OUT_OF_RANGE at a moment when it cannot write that the copy is lost."""
    with load(system) as sent:
        pass
    equals_the_recount(system, sent)
    projector = system.running["projector"]
    partition = partition_of(f"main/{sent.user}", system.settings.kafka.partitions)
    system.redis.hset(state_key(USAGE_ROWS.name, partition), mapping={"next": 10**9})
    time.sleep(pause)
    os.kill(system.valkey.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(system.valkey.pid, signal.SIGCONT)
    key = state_key(USAGE_ROWS.name, partition)
    assert eventually(lambda: 0 < int(system.redis.hget(key, "next") or 0) < 10**9)
    with load(system) as more:
        pass
    for one in (sent, more):
        equals_the_recount(system, one)
    assert projector.poll() is None, "it went on"


def test_a_changelog_whose_beginning_is_gone_is_copied_from_where_it_begins(system: System) -> None:
    with load(system) as sent:
        pass
    equals_the_recount(system, sent)
    partition = partition_of(f"main/{sent.user}", system.settings.kafka.partitions)
    admin = AdminClient({"bootstrap.servers": system.kafka.bootstrap})
    policy = ConfigEntry("cleanup.policy", "compact,delete", incremental_operation=AlterConfigOpType.SET)
    place = ConfigResource(ResourceType.TOPIC, VERDICT_ROWS.changelog, incremental_configs=[policy])
    admin.incremental_alter_configs([place])[place].result()  # as an operator does whose disk is full
    for done in admin.delete_records([TopicPartition(VERDICT_ROWS.changelog, partition, 3)]).values():
        done.result()
    system.run("topics", "apply", "--configure")
    system.redis.flushall()
    key = state_key(VERDICT_ROWS.name, partition)
    assert eventually(lambda: system.redis.hget(key, "complete") == b"1")
    equals_the_recount(system, sent)


def test_a_killed_projector_leaves_old_answers_with_their_age_and_catches_up(system: System) -> None:
    with load(system) as sent:
        system.kill("projector")
        time.sleep(1)
        system.restart("projector")
    never_wrong(sent)
    equals_the_recount(system, sent)


def test_two_projectors_are_no_wronger_than_one(system: System) -> None:
    port = free_port()
    with load(system, seconds=1) as sent:
        system.begin("projector", "second projector", SOULFRA_TELEMETRY__PROJECTOR_PORT=str(port))
        time.sleep(4)
        system.redis.flushall()
        time.sleep(1)
        system.kill("second projector")
    never_wrong(sent)
    equals_the_recount(system, sent)


def test_killing_the_tables_worker_again_and_again_loses_and_doubles_nothing(system: System) -> None:
    with load(system) as sent:
        for pause in (0.3, 1.1, 0.7):
            system.kill("tables")
            time.sleep(pause)
            system.begin("tables")
            time.sleep(4 + pause)
    system.ready("tables")
    equals_the_recount(system, sent)


def test_stopping_the_tables_worker_politely_drains_it(system: System) -> None:
    with load(system) as sent:
        process = system.running["tables"]
        system.kill("tables", signal.SIGTERM)
        assert process.returncode == 0
        system.restart("tables")
    equals_the_recount(system, sent)


def test_an_analysis_survives_the_death_of_its_worker(system: System, sample: bytes) -> None:
    with system.client() as client:
        system.kill("analysis")
        chat_ids = [client.post("/v1/chats", content=sample).json()["chat_id"] for _ in range(3)]
        system.begin("analysis")
        time.sleep(3)
        system.kill("analysis")
        left = system.folder / "analysis" / "left"
        left.mkdir()
        system.restart("analysis")
        assert not left.exists(), "a killed worker's folder stays behind"
        for chat_id in chat_ids:
            told = client.get(f"/v1/chats/{chat_id}", params={"until": "agent", "wait": "30s"}).json()
            assert told["status"] == "done" and told["reached"]

        def analyses() -> dict[str, str]:
            return {meter["meter"]: meter["quantity"] for meter in client.get("/v1/users/me/usage").json()["meters"]}

        assert eventually(lambda: analyses().get("analyses.done") == "3"), analyses()


def is_read(client: httpx.Client, chat_id: str) -> bool:
    """Whether progress shows the chat in the middle of its analysis; the stream ends by itself when it does not."""
    with client.stream("GET", f"/v1/chats/{chat_id}/progress") as steps:
        lines = (json.loads(line[6:]) for line in steps.iter_lines() if line.startswith("data: {"))
        return any(0 < line["share"] < 1 for line in lines)


def test_deleting_a_chat_ends_its_analysis(system: System, tmp_path: Path) -> None:
    large = tmp_path / "large"
    exports.write(large, "whatsapp", 90_000_000)
    with system.client() as client:
        chat_id = client.post("/v1/chats", content=large.read_bytes()).json()["chat_id"]
        assert eventually(lambda: is_read(client, chat_id)), "no progress is shown while it is analysed"
        client.delete(f"/v1/chats/{chat_id}").raise_for_status()

        def says() -> bool:
            return f"chat {chat_id}: deleted while it was analysed" in (system.folder / "analysis.log").read_text()

        assert eventually(says)
        assert client.get(f"/v1/chats/{chat_id}").status_code == 404
        meters = {meter["meter"] for meter in client.get("/v1/users/me/usage").json()["meters"]}
        assert "analyses.done" not in meters


def test_an_analysing_process_that_is_killed_is_replaced_and_the_result_counts_once(
    system: System, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    exports.write(large, "whatsapp", 90_000_000)
    with system.client() as client:
        chat_id = client.post("/v1/chats", content=large.read_bytes()).json()["chat_id"]
        worker = psutil.Process(system.running["analysis"].pid)

        def busy() -> psutil.Process | None:
            """One that works: processes of earlier analyses rest beside it."""
            before = {process: process.cpu_times().user for process in worker.children()}
            time.sleep(0.2)
            grown = {
                process: process.cpu_times().user - user for process, user in before.items() if process.is_running()
            }
            most = max(grown, key=lambda process: grown[process], default=None)
            return most if most is not None and grown[most] > 0.05 else None

        assert eventually(lambda: is_read(client, chat_id))
        working = eventually(busy)
        working.kill()
        told = client.get(f"/v1/chats/{chat_id}", params={"until": "agent", "wait": "60s"}).json()
        assert told["status"] == "done" and "an analysing process died" in (system.folder / "analysis.log").read_text()

        def done() -> str:
            meters = client.get("/v1/users/me/usage").json()["meters"]
            return next((meter["quantity"] for meter in meters if meter["meter"] == "analyses.done"), "")

        assert eventually(lambda: done() == "1"), done()


def test_while_the_broker_is_away_nothing_is_accepted_and_afterwards_everything_accepted_is_there(
    system: System,
) -> None:
    with load(system) as sent:
        system.kafka.kill()
        with system.client(("events:write",)) as client:
            event = {
                "specversion": "1.0",
                "id": "x",
                "source": "t",
                "type": "usage.recorded",
                "data": {"meter": "m", "quantity": "1"},
            }
            refused = client.post("/v1/events", json=event)
            assert refused.status_code == 503 and refused.headers["Retry-After"]
            batch = {"Content-Type": "application/cloudevents-batch+json"}
            refused = client.post("/v1/events", content=json.dumps([event, event]), headers=batch)
            assert refused.status_code == 503 and refused.headers["Retry-After"]
            assert [verdict["code"] for verdict in refused.json()["verdicts"]] == [503, 503]
        system.kafka.start()
        system.run("doctor", "--mend")  # as `make run` does after a broker was killed
        before = sent.accepted
        assert eventually(lambda: sent.accepted > before + 100), "nothing is accepted after the broker came back"
    equals_the_recount(system, sent)


def test_restarting_everything_keeps_everything(system: System, sample: bytes) -> None:
    with load(system) as sent, system.client() as client:
        chat_id = client.post("/v1/chats", content=sample).json()["chat_id"]
        before = client.get(f"/v1/chats/{chat_id}", params={"until": "agent", "wait": "30s"}).json()
    system.stop()
    system.start()
    with system.client(user=client.user) as again:  # type: ignore[attr-defined]
        assert eventually(
            lambda: again.get(f"/v1/chats/{chat_id}").json() == {k: v for k, v in before.items() if k != "reached"}
        )
    equals_the_recount(system, sent)


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_workers_killed_at_every_step_of_a_commit_lose_and_double_nothing(tmp_path: Path, store: str) -> None:
    """A short version of `soulfra bench faults`, on a broker of its own."""
    told = Run(Plan(events=12_000, workers=2, kills=6, seed=7, rate=500, store=store), tmp_path).go()
    assert told.kills >= 6 and (told.lost, told.doubled, told.wrong) == (0, 0, 0), told
