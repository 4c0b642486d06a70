"""Attempts at a chat: what its row says of them, what they cost, and what they add to trust. Without a broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from schemas import AnalysisDone, AnalysisFailed, AnalysisRequested, ChatDeleted, ChatUploaded, Event
from schemas.chat import Failure
from soulfra import usage
from soulfra.upload import ChatRow, told
from tests.test_folds import Log
from topics import CHAT_ROWS, TRUST_ROWS, USAGE_ROWS
from topics.rows import row_key

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
UPLOADED = ChatUploaded(
    id="c1", source="edge", time=NOON, user="u1", chat_id="c1", pointer="p", fingerprint="0" * 32, size=10
)


def asked(attempt: int) -> AnalysisRequested:
    at = NOON + timedelta(minutes=attempt)
    return AnalysisRequested(id=f"c1.analysis-{attempt}", source="edge", time=at, user="u1", chat_id="c1",
                             attempt=attempt, pointer="p", size=10)  # fmt: skip


def failed(attempt: int = 1) -> AnalysisFailed:
    cause: Event = UPLOADED if attempt == 1 else asked(attempt)
    return cause.causes(
        AnalysisFailed, chat_id="c1", reason=Failure.TOO_SLOW, pointer=f"f{attempt}", analyser=3, attempt=attempt
    )


def done(attempt: int = 1, content: str = "a") -> AnalysisDone:
    cause: Event = UPLOADED if attempt == 1 else asked(attempt)
    return cause.causes(
        AnalysisDone, chat_id="c1", format="chatgpt", conversations=1, messages=2, visible=2, participants=2, insights=[],
        style={"length": 5.0, "asking": 0.9, "n": 3.0}, quality=1.0, secrets=0, fingerprints=[], content=content * 32,
        pointer=f"r{attempt}", analyser=3, attempt=attempt,
    )  # fmt: skip


def row_after(*events: Event) -> ChatRow:
    row: ChatRow | None = None
    for n, event in enumerate(events):
        row = told(row, event, "c1", f"t/0@{n}")
    assert row is not None
    return row


def test_asking_again_clears_the_failure_and_waits_for_the_new_answer() -> None:
    row = row_after(UPLOADED, failed())
    assert (row.status, row.attempts, row.reached("analysis")) == ("failed", 1, True)
    row = row_after(UPLOADED, failed(), asked(2))
    assert (row.status, row.attempts, row.failed, row.reached("agent")) == ("received", 2, None, False)
    row = row_after(UPLOADED, failed(), asked(2), done(2))
    assert (row.status, row.reached("analysis"), row.reached("agent")) == ("done", True, False)


def test_attempts_have_events_of_their_own_and_the_first_has_those_it_always_had() -> None:
    assert len({failed(n).id for n in (1, 2, 3)} | {done(n).id for n in (1, 2, 3)}) == 6
    plain = UPLOADED.causes(AnalysisFailed, chat_id="c1", reason=Failure.TOO_SLOW, pointer="f1", analyser=3)
    assert plain.id == failed(1).id and plain.attempt == 1


@pytest.mark.parametrize("last", [failed(2), done(2)])
def test_attempts_give_the_same_row_in_any_order(last: Event) -> None:
    events = [UPLOADED, failed(1), asked(2), last]
    rows = [row_after(*order) for order in permutations(events)]
    assert {(row.status, row.attempts, row.answered) for row in rows} == {(rows[0].status, 2, True)}


def test_asking_again_does_not_bring_a_deleted_chat_back() -> None:
    gone = ChatDeleted(id="d", source="edge", time=NOON, user="u1", chat_id="c1")
    row = row_after(UPLOADED, gone, asked(2), done(2), failed(3))
    assert row == ChatRow("c1", deleted=True)


def meter(log: Log) -> Any:
    total = log.row(USAGE_ROWS, row_key("main/u1", "analyses.done@2026-11"))
    return total and usage.total([total]).events


def test_a_done_chat_that_is_asked_again_costs_nothing_and_adds_no_trust() -> None:
    log = Log()
    for event in (UPLOADED, done(), done()):
        log.tell(event)
    trust = log.row(TRUST_ROWS, "main/u1").evidence
    for event in (asked(2), done(2), done(2), done(1)):
        log.tell(event)
    assert meter(log) == 1 and log.row(TRUST_ROWS, "main/u1").evidence == trust
    assert log.row(CHAT_ROWS, row_key("main/u1", "c1")).analysis.said["pointer"] == "r2"


def test_an_attempt_that_succeeds_after_a_failure_is_metered_once() -> None:
    log = Log()
    for event in (UPLOADED, failed(), asked(2), done(2), done(2), asked(3), done(3)):
        log.tell(event)
    assert meter(log) == 1


@pytest.mark.parametrize("order", [0, 1])
def test_evidence_follows_the_analysis_whether_the_chat_is_deleted_before_or_after(order: int) -> None:
    log = Log()
    gone = ChatDeleted(id="d", source="edge", time=NOON, user="u1", chat_id="c1")
    log.tell(UPLOADED)
    for event in (done(), gone) if order else (gone, done()):
        log.tell(event)
    assert len(log.row(TRUST_ROWS, "main/u1#2026-11-01").evidence) == 1
    assert log.row(CHAT_ROWS, row_key("main/u1", "c1")) == ChatRow("c1", deleted=True)
