"""The tables worker's work on one record, with tables that are dictionaries and a producer that only notes."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

import streams.tables  # noqa: F401  (its folds)
from schemas import ChatUploaded, UsageRecorded
from schemas.wire import Record, decode, encode
from soulfra import usage
from streams.app import dead
from streams.engine import Letter, Refused
from streams.ledger import Ledger
from streams.progress import Progress, unready
from streams.registry import Registry
from topics import CHATS, TABLES, USAGE, USAGE_ROWS
from topics.place import partition_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TRACE, OTHER = (f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b{n}-01".encode() for n in (7, 8))


@pytest.fixture
def sent() -> list[tuple[str, int, Record]]:
    return []


@pytest.fixture
def ledger(sent: list[tuple[str, int, Record]]) -> Ledger:
    tables: dict[str, dict[str, Any]] = {table.name: {} for table in TABLES}
    return Ledger(tables, 8, Registry(""), lambda *record: sent.append(record))


def message(record: Record | None = None, **other: Any) -> Any:
    record = record or encode(UsageRecorded(id="1", source="t", time=NOON, user="u1", meter="m", quantity="1"))
    said = {"topic": USAGE.name, "partition": partition_of("main/u1", 8), "offset": 0, "timestamp": NOON.timestamp()}
    return SimpleNamespace(**{**said, **record._asdict(), **other})


def test_an_event_is_folded_and_what_follows_is_sent_to_its_partition(ledger: Ledger, sent: list[Any]) -> None:
    ledger.take(message())
    assert usage.total([ledger.tables[USAGE_ROWS.name]["main/u1#m@2026-11"]]).events == 1 and sent == []
    chat = ChatUploaded(
        id="1", source="edge", time=NOON, user="u1", chat_id="c", pointer="p", fingerprint="0" * 32, size=9
    )
    ledger.take(message(encode(chat), topic=CHATS.name))
    [(topic, partition, record)] = sent
    assert (topic, partition) == (USAGE.name, partition_of("main/u1", 8)) and decode(*record).quantity == "9"  # type: ignore[attr-defined]


def test_a_record_in_a_wrong_partition_is_sent_on_unchanged_and_not_folded(ledger: Ledger, sent: list[Any]) -> None:
    given = message(partition=(partition_of("main/u1", 8) + 1) % 8)
    ledger.take(given)
    [(topic, partition, record)] = sent
    assert (topic, partition, record.value) == (USAGE.name, partition_of("main/u1", 8), given.value)
    assert dict(record.headers)["soulfra.forwarded"] and not any(ledger.tables.values())


@pytest.mark.parametrize(
    ("carried", "trace"),
    [
        ({"traceparent": TRACE}, TRACE),
        ({"ce_traceparent": TRACE}, TRACE),
        ({"traceparent": TRACE, "ce_traceparent": OTHER}, TRACE),
        ({"traceparent": b"my-diary", "ce_traceparent": TRACE}, TRACE),
        ({"traceparent": b"\xff\xfe"}, None),
        ({"traceparent": b"a-b"}, None),
    ],
)
def test_what_follows_continues_the_trace_that_a_record_carries_and_nothing_else(
    ledger: Ledger, sent: list[Any], carried: dict[str, bytes], trace: bytes | None
) -> None:
    chat = ChatUploaded(
        id="1", source="edge", time=NOON, user="u1", chat_id="c", pointer="p", fingerprint="0" * 32, size=9
    )
    record = encode(chat)
    ledger.take(message(record._replace(headers=[*record.headers, *carried.items()]), topic=CHATS.name))
    assert dict(sent[0][2].headers).get("traceparent") == trace


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (message(Record(b"main/u1", b"garbage!", [])), "ce_id"),
        (message(topic=CHATS.name), "said on usage.recorded, not here"),
        (message(timestamp=0.0), "in the future"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_sentence(ledger: Ledger, sent: list[Any], given: Any, why: str) -> None:
    with pytest.raises(Refused, match=why):
        ledger.take(given)
    assert sent == [] and not any(ledger.tables.values())


def letter(why: BaseException) -> dict[str, bytes]:
    told = dead("tables", Letter("usage.recorded", 3, 7, b"k", b"v", [("a", b"b")], why))
    assert told is not None and (told.topic, told.key, told.value) == ("usage.recorded.dlq", b"k", b"v")
    return dict(told.headers)


def test_a_dead_letter_says_why_and_keeps_quotes_of_the_event_out_of_it(ledger: Ledger) -> None:
    assert letter(Refused("it is late"))["soulfra.reason"] == b"refused"
    assert letter(Refused("it is late"))["__streams.errors.message"] == b"it is late"
    with pytest.raises(Refused) as malformed:
        ledger.take(message(Record(b"main/u1", b"garbage!", [])))
    assert letter(malformed.value)["soulfra.reason"] == b"malformed"
    ours = letter(KeyError("somebody's secret"))
    assert ours["soulfra.reason"] == b"failed" and b"secret" not in b"".join(ours.values())


def test_assigned_and_not_progressing_is_not_live() -> None:
    work = SimpleNamespace(lanes={(USAGE.name, 3)})
    owner = SimpleNamespace(halted={}, topics={USAGE.name})
    consumer = SimpleNamespace(assignment=lambda: {TP(USAGE.name, 3)}, work=work, next_of=lambda *_: 5, ownership=owner)
    progress = Progress(SimpleNamespace(consumer=consumer, rebalancing_count=0), "app")  # type: ignore[arg-type]
    progress.measure({(USAGE.name, 3): 9})
    assert progress.stuck(120) == "" and "usage.recorded/3" in progress.stuck(-1)
    progress.measure({(USAGE.name, 3): 5})
    assert progress.stuck(120) == "", "without anything to do there is nothing to be stuck on"


def test_a_partition_that_waits_for_a_newer_release_is_live_and_not_ready() -> None:
    sentence = "usage.recorded/3 is paused at offset 5: upgrade this worker"
    owner = SimpleNamespace(halted={(USAGE.name, 3): sentence}, topics={USAGE.name})
    consumer: Any = SimpleNamespace(assignment=lambda: {TP(USAGE.name, 3)}, work=SimpleNamespace(lanes={(USAGE.name, 3)}),
                                    next_of=lambda *_: 5, ownership=owner, ready=lambda: True)  # fmt: skip
    app: Any = SimpleNamespace(started=True, begun=True, consumer=consumer, rebalancing_count=0)
    progress = Progress(app, "app")
    progress.measure({(USAGE.name, 3): 9})
    assert progress.stuck(-1) == "" and "usage.recorded/3 is paused at offset 5" in unready(app)


def test_recovering_is_not_ready() -> None:
    consumer = SimpleNamespace(assignment=set, ready=lambda: False, ownership=SimpleNamespace(halted={}, held=""))
    app: Any = SimpleNamespace(started=True, begun=False, consumer=consumer, tables={"usage": None})
    assert "assigned" in unready(app)
    app.begun = True
    assert "assigned" in unready(app)
    consumer.assignment = lambda: {TP(USAGE.name, 3)}
    assert "read back" in unready(app)
    consumer.ready = lambda: True
    assert unready(app) == ""
