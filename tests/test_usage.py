"""What counting promises: each event once, exactly, and a row of a chat that does not depend on what came first."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import AnalysisDone, AnalysisFailed, ChatDeleted, ChatUploaded, Event, UsageRecorded
from schemas.chat import Failure
from schemas.trust import Reason, Tier, TrustUpdated
from soulfra import upload, usage
from soulfra.moment import AHEAD, implausible
from soulfra.upload import ChatRow, told

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUANTITIES = st.decimals(0, 10**18, places=9, allow_nan=False, allow_infinity=False).filter(lambda d: d < 10**18)


def used(quantity: str = "1", id: str = "e1", source: str = "shop", at: datetime = NOON, **more: Any) -> UsageRecorded:
    return UsageRecorded(id=id, source=source, time=at, user="u", meter="tokens.out", quantity=quantity, **more)


def test_a_hundred_thousand_tenths_are_ten_thousand() -> None:
    row = None
    for _ in range(100_000):
        row = usage.counted(row, used("0.1"))
    assert row is not None
    assert usage.decimal(usage.total([row]).nano) == "10000"
    assert usage.total([row]).events == 100_000


@given(quantities=st.lists(QUANTITIES, min_size=1, max_size=30))
def test_a_sum_is_exact_to_the_last_digit_however_large(quantities: list[Decimal]) -> None:
    row = None
    for quantity in quantities:
        row = usage.counted(row, used(format(quantity, "f")))
    assert row is not None
    with localcontext() as context:
        context.prec = 60
        assert Decimal(usage.decimal(usage.total([row]).nano)) == sum(quantities, Decimal(0))


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (10**9, "1"),
        (10**10, "10"),
        (-15 * 10**8, "-1.5"),
        (10**30 + 1, f"{10**21}.000000001"),
    ],
)
def test_an_amount_is_the_shortest_text_that_is_exact(nano: int, text: str) -> None:
    assert usage.decimal(nano) == text


def test_an_event_is_counted_on_the_day_it_was_used_in_utc() -> None:
    late = datetime.fromisoformat("2026-11-20T23:30:00-05:00")
    row = usage.counted(usage.counted(None, used("2")), used("3", occurred_at=late))
    assert {on: day.nano // usage.UNIT for on, day in row.days.items()} == {"2026-11-20": 2, "2026-11-21": 3}
    assert row.last == late


def test_events_in_any_order_give_the_same_row() -> None:
    events = [used(str(n), at=NOON - timedelta(days=n)) for n in range(1, 5)]
    rows = []
    for order in permutations(events):
        row = None
        for event in order:
            row = usage.counted(row, event)
        rows.append(row)
    assert all(row == rows[0] and row and list(row.days) == sorted(row.days) for row in rows)


def test_a_range_holds_its_first_day_and_not_its_last() -> None:
    row = None
    for n in range(4):
        row = usage.counted(row, used("1", at=NOON + timedelta(days=n)))
    assert row is not None
    assert usage.total([row], date(2026, 11, 21), date(2026, 11, 23)).events == 2
    assert list(usage.days([row], since=date(2026, 11, 22))) == ["2026-11-22", "2026-11-23"]


def test_the_first_record_of_an_id_counts_and_the_same_again_is_a_duplicate() -> None:
    row = usage.judged(usage.judged(None, used(), 7), used(), 9)
    assert (row.duplicates, row.conflicts) == (1, 0)
    assert (row.of(), row.of(7), row.of(9)) == ("counted", "counted", "duplicate")


def test_the_same_content_said_at_another_time_is_a_duplicate() -> None:
    row = usage.judged(usage.judged(None, used(), 7), used(at=NOON + timedelta(seconds=1)), 8)
    assert (row.duplicates, row.conflicts, row.of(8)) == (1, 0, "duplicate")


@pytest.mark.parametrize("other", [used("2"), used(occurred_at=NOON)])
def test_the_same_id_with_another_payload_is_a_conflict_and_changes_nothing_counted(other: UsageRecorded) -> None:
    first = usage.judged(None, used(), 7)
    row = usage.judged(first, other, 8)
    assert (row.digest, row.offset, row.of(7), row.of(8)) == (first.digest, 7, "counted", "conflict")


def test_conflicts_beyond_the_first_few_are_counted_and_the_row_stays_small() -> None:
    row = usage.judged(None, used(), 0)
    for offset in range(1, 101):
        row = usage.judged(row, used(str(offset + 1)), offset)
    assert (row.conflicts, len(row.conflicting)) == (100, usage.KEPT_CONFLICTS)


@given(
    one=st.tuples(st.text(min_size=1), st.text(min_size=1)), other=st.tuples(st.text(min_size=1), st.text(min_size=1))
)
def test_separators_in_sources_and_ids_do_not_make_two_events_one(one: tuple[str, str], other: tuple[str, str]) -> None:
    one, other = ((s.replace("\0", ""), i.replace("\0", "")) for s, i in (one, other))  # an event cannot hold a NUL
    one, other = ((s.encode(errors="replace").decode(), i.encode(errors="replace").decode()) for s, i in (one, other))
    assert (usage.verdict_key(*one) == usage.verdict_key(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"), [(("a-b", "c"), ("a", "b-c")), (("a", "/b"), ("a/", "b")), (("ab", "c"), ("a", "bc"))]
)
def test_events_whose_parts_run_together_stay_apart(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert usage.verdict_key(*one) != usage.verdict_key(*other)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (used(), ""),
        (used(at=NOON + AHEAD), ""),
        (used(at=NOON + AHEAD + timedelta(seconds=1)), "time lies more than 24 hours in the future"),
        (used(at=datetime(1999, 12, 31, tzinfo=UTC)), "time lies before the year 2000"),
        (used(at=datetime(2000, 1, 1, tzinfo=UTC)), ""),
        (used(occurred_at=NOON + timedelta(days=2)), "occurred_at lies more than 24 hours in the future"),
        (used(occurred_at=datetime(1970, 1, 1, tzinfo=UTC)), "occurred_at lies before the year 2000"),
    ],
)
def test_a_time_that_cannot_be_true_is_named(event: UsageRecorded, says: str) -> None:
    said = implausible(event, NOON)
    assert said.startswith(says) and bool(said) == bool(says)


# The row of a chat

BODY: dict[str, Any] = {"source": "soulfra", "user": "u", "chat_id": "c"}
UPLOADED = ChatUploaded(id="1", time=NOON, pointer="p", fingerprint="0" * 32, size=9, **BODY)
DONE = AnalysisDone(
    id="2", time=NOON + timedelta(seconds=1), format="whatsapp", conversations=1, messages=3, visible=2, participants=2,
    insights=[], style={}, quality=1.0, secrets=0, fingerprints=["1" * 32], content="2" * 32, pointer="r", analyser=1, **BODY,
)  # fmt: skip
FAILED = AnalysisFailed(id="3", time=NOON, reason=Failure.UNREADABLE, pointer="r", analyser=1, **BODY)
TRUSTED = TrustUpdated(
    id="4", time=NOON + timedelta(seconds=2), old=40_000, new=50_000, tier=Tier.BRONZE,
    reasons=[Reason(code="quality", points=10_000)], model=1, **BODY,
)  # fmt: skip
PARTS: list[Event] = [UPLOADED, DONE, TRUSTED, DONE.at(NOON + timedelta(seconds=5))]


def row_of(events: list[Event]) -> ChatRow:
    row = None
    for event in events:
        row = told(row, event, "c", f"{event.ce_type()}/0/{event.id}{event.time:%S}")
    assert row is not None
    return row


def test_the_parts_of_a_chat_in_any_order_give_the_same_row() -> None:
    rows = [row_of(list(order)) for order in permutations(PARTS)]
    assert all(row == rows[0] for row in rows)
    assert rows[0].analysis and rows[0].analysis.at == DONE.time


def test_a_deleted_chat_stays_deleted_whatever_comes_late() -> None:
    gone = ChatDeleted(id="9", time=NOON, **BODY)
    for order in permutations([UPLOADED, DONE, gone]):
        assert row_of(list(order)) == ChatRow("c", deleted=True)


def test_the_row_of_a_chat_says_how_far_it_got() -> None:
    assert row_of([UPLOADED]).status == "received" and not row_of([UPLOADED]).reached("analysis")
    assert row_of([UPLOADED, FAILED]).status == "failed" and row_of([UPLOADED, FAILED]).reached("agent")
    assert row_of([UPLOADED, DONE]).status == "done" and not row_of([UPLOADED, DONE]).reached("trust")
    assert row_of(PARTS).reached("trust")


def test_the_row_of_a_chat_holds_no_fingerprints_and_names_each_place_in_the_log() -> None:
    row = row_of(PARTS)
    assert row.analysis and not upload.BULKY & set(row.analysis.said)
    assert sorted(row.positions) == ["analysis.done", "chat.uploaded", "trust.updated"]
