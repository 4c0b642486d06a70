"""Folds: records in, rows and events out, without a broker."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import streams.tables  # registers every fold
from schemas import (
    EVENTS,
    AgentSuggested,
    AnalysisDone,
    ChatDeleted,
    ChatUploaded,
    Event,
    TrustUpdated,
    UsageRecorded,
    UserRegistered,
)
from soulfra import usage
from streams.fold import FOLDS, Refused, Rows, fold, folded
from streams.tables import clock_tick
from topics import AGENT_ROWS, CHAT_ROWS, CHATS, CLOCK, TABLES, TRUST_ROWS, USAGE_ROWS, VERDICT_ROWS, topic_of
from topics.place import Position, partition_of
from topics.rows import read, row_key, split, write

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
N = 8


class Log:
    """Topics and tables in memory: every event is folded, and so is everything that follows."""

    def __init__(self) -> None:
        self.stores: dict[str, dict[str, Any]] = {table.name: {} for table in TABLES}
        self.said: dict[str, list[Event]] = defaultdict(list)

    def tell(self, event: Event, follow: bool = True) -> list[Event]:
        topic = topic_of(event).name
        self.said[topic].append(event)
        return self.fold(event, len(self.said[topic]) - 1, follow)

    def fold(self, event: Event, offset: int, follow: bool = False) -> list[Event]:
        rows = Rows(Position(topic_of(event).name, partition_of(event.key, N), offset), self.stores, N)
        caused = folded(event, rows)
        return caused + [further for one in caused if follow for further in self.tell(one)]

    def row(self, table, key):  # type: ignore[no-untyped-def]
        return self.stores[table.name].get(key)


def uploaded(chat: str = "c1", user: str = "u1", at: datetime = NOON) -> ChatUploaded:
    return ChatUploaded(
        id=chat, source="edge", time=at, user=user, chat_id=chat, pointer="p", fingerprint="0" * 32, size=10
    )


def analysed(chat: str = "c1", user: str = "u1", at: datetime = NOON, content: str = "a") -> AnalysisDone:
    return uploaded(chat, user, at).causes(
        AnalysisDone, chat_id=chat, format="chatgpt", conversations=1, messages=2, visible=2, participants=2, insights=[],
        style={"length": 5.0, "asking": 0.9, "n": 3.0}, quality=1.0, secrets=0, fingerprints=[], content=content * 32, pointer="r",
        analyser=1,
    )  # fmt: skip


def used(id: str = "1", quantity: str = "1", user: str = "u1", meter: str = "calls") -> UsageRecorded:
    return UsageRecorded(id=id, source="test", time=NOON, user=user, meter=meter, quantity=quantity)


def test_an_upload_is_followed_to_a_suggested_agent() -> None:
    log = Log()
    log.tell(uploaded())
    caused = log.tell(analysed())
    assert [type(event) for event in caused if not isinstance(event, UsageRecorded)].count(AgentSuggested) == 1
    row = log.row(CHAT_ROWS, row_key("main/u1", "c1"))
    assert row.status == "done" and row.reached("agent")
    meters = {usage.meter_of(split(key)[1]) for key in log.stores[USAGE_ROWS.name]}
    assert meters == {"bytes.ingested", "analyses.done", "agents.suggested"}


def test_an_event_counts_once_and_its_verdicts_tell_which() -> None:
    log = Log()
    for event in (used("1", "0.1"), used("1", "0.1"), used("1", "5"), used("2", "0.2")):
        log.tell(event)
    total = log.row(USAGE_ROWS, row_key("main/u1", "calls@2026-11"))
    assert usage.decimal(usage.total([total]).nano) == "0.3"
    mark = log.row(VERDICT_ROWS, row_key("main/u1", usage.verdict_key("test", "1")))
    assert [mark.of(offset) for offset in (0, 1, 2)] == ["counted", "duplicate", "conflict"]


def test_the_same_analysis_said_twice_is_one_piece_of_evidence_and_one_agent() -> None:
    log = Log()
    log.tell(uploaded())
    log.tell(analysed())
    log.tell(analysed())
    assert len(log.row(TRUST_ROWS, "main/u1#2026-11-01").evidence) == 1
    assert len({event.id for event in log.said["agent.suggested"]}) == 1
    calls = log.row(USAGE_ROWS, row_key("main/u1", "analyses.done@2026-11"))
    assert usage.total([calls]).events == 1


@pytest.mark.parametrize("seed", range(20))
def test_tables_are_the_same_in_any_order_of_arrival_across_topics(seed: int) -> None:
    """Each topic keeps its own order; how the topics interleave is chance."""
    whole = Log()
    for n in range(4):
        at = NOON + timedelta(days=n)
        whole.tell(uploaded(f"c{n}", at=at))
        whole.tell(analysed(f"c{n}", at=at, content="ab"[n % 2]))
    whole.tell(UserRegistered(id="r", source="edge", time=NOON, user="u1"))
    mixed, order = Log(), random.Random(seed)
    left = {topic: list(enumerate(events)) for topic, events in whole.said.items()}
    while left:
        topic = order.choice(sorted(left))
        offset, event = left[topic].pop(0)
        mixed.fold(event, offset)
        left = {name: rest for name, rest in left.items() if rest}
    assert mixed.stores == whole.stores


def test_rows_come_back_from_bytes_as_they_were() -> None:
    log = Log()
    log.tell(uploaded())
    log.tell(analysed())
    for table in TABLES:
        for row in log.stores[table.name].values():
            assert read(table, write(row)) == row


def test_a_deleted_chat_is_not_brought_back_by_what_comes_late() -> None:
    log = Log()
    log.tell(uploaded())
    log.tell(ChatDeleted(id="d", source="edge", time=NOON, user="u1", chat_id="c1"))
    log.tell(analysed())
    row = log.row(CHAT_ROWS, row_key("main/u1", "c1"))
    assert row.deleted and row.analysis is None


def test_passing_midnight_moves_those_who_reach_an_age() -> None:
    log = Log()
    for n in range(6):
        log.tell(analysed(f"c{n}", at=NOON + timedelta(hours=n), content=f"{n}"))
    for n in range(6, 9):
        log.tell(analysed(f"c{n}", at=NOON + timedelta(days=2, hours=n), content=f"{n}"))
    partition = partition_of("main/u1", N)
    tick = clock_tick(partition, NOON + timedelta(days=9))
    rows = Rows(Position(CLOCK.name, partition, 0), log.stores, N)
    [moved] = folded(tick, rows)
    assert isinstance(moved, TrustUpdated) and moved.tier == "SILVER" and moved.user == "u1"
    assert streams.tables.TICK == 60 and AGENT_ROWS.name == "agents.v3"


def test_a_fold_sees_only_the_events_that_it_names() -> None:
    seen: list[Event] = []
    fold(ChatUploaded)(lambda event, rows: seen.append(event))
    try:
        log = Log()
        log.tell(uploaded(), follow=False)
        log.tell(ChatDeleted(id="d", source="edge", time=NOON, user="u1", chat_id="c1"))
        assert [type(event) for event in seen] == [ChatUploaded]
    finally:
        FOLDS[ChatUploaded].pop()


def test_an_event_that_no_fold_names_changes_nothing_though_it_has_a_chat() -> None:
    class ChatRenamed(ChatDeleted):
        """An event of tomorrow."""

    log = Log()
    event = ChatRenamed(id="n", source="edge", time=NOON, user="u1", chat_id="c1")
    assert folded(event, Rows(Position(CHATS.name, partition_of(event.key, N), 0), log.stores, N)) == []
    assert not any(log.stores.values())


def test_folds_are_of_events_that_are_on_a_topic() -> None:
    with pytest.raises(KeyError):
        fold(Event)(lambda event, rows: None)
    assert set(FOLDS) <= set(EVENTS)


def test_every_meter_that_a_fold_writes_is_one_of_the_systems_own() -> None:
    log = Log()
    log.tell(uploaded())
    log.tell(analysed())
    assert {event.meter for event in log.said["usage.recorded"]} == set(usage.SYSTEM_METERS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("meter", usage.SYSTEM_METERS)
def test_a_meter_of_the_system_from_another_source_is_refused_and_leaves_no_row(meter: str) -> None:
    log = Log()
    with pytest.raises(Refused, match=f"{meter} is written by soulfra itself"):
        log.tell(used(meter=meter))
    assert not any(log.stores.values())
