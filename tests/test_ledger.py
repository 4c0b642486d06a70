"""The tables worker's work on one record, with a producer that only notes what it was given."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from schemas import UsageRecorded
from schemas.avro import contract
from schemas.wire import FRAME, Record, decode, encode
from streams.fold import FOLDS, Rows
from streams.ledger import IN_A_ROW, Ledger
from streams.registry import Registry, Unreachable
from streams.tables import stuck, unready
from tests.conftest import free_port
from topics import TABLES, TOPICS, USAGE
from topics.place import partition_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Noted:
    """A producer and a consumer that note what is asked of them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, Record]] = []
        self.sought: list[tuple[TP, int]] = []

    async def send_and_wait(self, topic: str, key: bytes, value: bytes, partition: int, headers: Any, **_: Any) -> None:
        self.sent.append((topic, partition, Record(key, value, headers)))

    async def seek(self, tp: TP, offset: int) -> None:
        self.sought.append((tp, offset))


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def ledger(noted: Noted) -> Ledger:
    app: Any = SimpleNamespace(producer=noted, consumer=noted)
    ids = {topic.name: f"id of {topic.name}" for topic in TOPICS}
    tables: dict[str, dict[bytes, bytes]] = {table.name: {} for table in TABLES}
    return Ledger(app, tables, ids, 8, Registry(""), lambda topic, partition, offset: offset)


def message(offset: int, record: Record | None = None) -> Any:
    record = record or encode(UsageRecorded(id=f"{offset}", source="t", time=NOON, user="u1", meter="m", quantity="1"))
    return SimpleNamespace(topic=USAGE.name, partition=partition_of("main/u1", 8), offset=offset, key=record.key,
                           value=record.value, headers=record.headers, timestamp=NOON.timestamp())  # fmt: skip


@pytest.fixture
def broken_fold() -> Iterator[None]:
    def breaks(event: UsageRecorded, rows: Rows) -> None:
        raise RuntimeError(event.meter * 3)

    FOLDS[USAGE.name].append(breaks)
    yield
    FOLDS[USAGE.name].remove(breaks)


def rows(ledger: Ledger) -> list[bytes]:
    return [key for store in ledger.tables.values() for key in store if not key.startswith(b"@")]


async def test_a_bug_of_ours_leaves_no_trace_but_a_dead_letter_and_the_position(
    ledger: Ledger, noted: Noted, broken_fold: None
) -> None:
    given = message(0)
    await ledger.take(given)
    [(topic, partition, letter)] = noted.sent
    assert (topic, partition, letter.value) == ("usage.recorded.dlq", given.partition, given.value)
    assert dict(letter.headers)["soulfra.reason"] == b"failed" and "mmm" not in str(letter.headers)
    assert rows(ledger) == [] and ledger.expected(USAGE.name, given.partition) == 1


async def test_too_many_bugs_in_a_row_end_the_process(ledger: Ledger, broken_fold: None) -> None:
    for offset in range(IN_A_ROW):
        assert not ledger.broken
        await ledger.take(message(offset))
    assert "failed in our own code" in ledger.broken


async def test_bad_events_never_end_the_process(ledger: Ledger, noted: Noted) -> None:
    for offset in range(IN_A_ROW * 3):
        await ledger.take(message(offset, Record(b"main/u1", b"garbage!", [])))
    assert not ledger.broken and len(noted.sent) == IN_A_ROW * 3


async def test_a_gap_before_a_record_is_read_again_and_not_passed_over(ledger: Ledger, noted: Noted) -> None:
    await ledger.take(message(0))
    await ledger.take(message(3))
    assert noted.sought == [(TP(USAGE.name, message(0).partition), 1)]
    for offset in (1, 2, 3):
        await ledger.take(message(offset))
    assert ledger.expected(USAGE.name, message(0).partition) == 4


async def test_a_hole_in_the_log_itself_is_no_gap(ledger: Ledger, noted: Noted) -> None:
    ledger.first_from = lambda topic, partition, offset: 3
    await ledger.take(message(0))
    await ledger.take(message(3))
    assert noted.sought == [] and ledger.expected(USAGE.name, message(0).partition) == 4


async def test_a_source_topic_that_was_made_anew_stops_the_worker(ledger: Ledger) -> None:
    await ledger.take(message(0))
    ledger.check_ids()
    ledger.ids = {**ledger.ids, USAGE.name: "another"}
    with pytest.raises(Exception, match=r"usage\.recorded was deleted and made anew"):
        ledger.check_ids()


def app(highwater: int, recovering: bool = False, rebalancing: bool = False) -> Any:
    tp = TP(USAGE.name, message(0).partition)
    consumer = SimpleNamespace(assignment=lambda: {tp}, highwater=lambda _: highwater)
    recovery = SimpleNamespace(completed=SimpleNamespace(is_set=lambda: not recovering), in_recovery=recovering)
    return SimpleNamespace(
        started=True, consumer=consumer, rebalancing=rebalancing, tables=SimpleNamespace(recovery=recovery)
    )


def test_recovering_and_rebalancing_are_not_ready() -> None:
    assert unready(app(0)) == ""
    assert "read back" in unready(app(0, recovering=True)) and "assigned anew" in unready(app(0, rebalancing=True))


def test_assigned_and_not_progressing_is_not_live(ledger: Ledger) -> None:
    assert stuck(app(5), ledger, 120) == ""
    ledger.ready_at = time.monotonic() - 121
    assert "usage.recorded" in stuck(app(5), ledger, 120)
    assert stuck(app(0), ledger, 120) == "", "without anything to do there is nothing to be stuck on"


def test_a_schema_of_another_registry_is_looked_up_once() -> None:
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"schema": json.dumps(contract(UsageRecorded))}).encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        foreign = Registry(f"http://127.0.0.1:{server.server_port}")
        event = UsageRecorded(id="1", source="t", time=NOON, user="u1", meter="m", quantity="1")
        ours = encode(event)
        theirs = ours._replace(value=FRAME.pack(0, 7) + ours.value[FRAME.size :])
        assert decode(*theirs, foreign) == decode(*theirs, foreign) == event
        server.shutdown()
    assert asked == ["/schemas/ids/7"]


def test_a_registry_that_does_not_answer_is_told_from_a_schema_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.registry.ATTEMPTS", 1)
    with pytest.raises(Unreachable, match="SOULFRA_REGISTRY__URL"):
        Registry(f"http://127.0.0.1:{free_port()}")(7)
