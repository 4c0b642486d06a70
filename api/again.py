"""Another analysis of a stored chat: when it is a new attempt, and the event that asks for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from api.auth import Principal
from api.problem import Problem
from schemas import AnalysisRequested
from soulfra.upload import ChatRow

MOST = 20  # attempts at one chat
LOST = timedelta(hours=1)  # after which an attempt that did not end may be followed by another


def same(row: ChatRow, key: str, now: datetime) -> bool:
    """Whether the newest attempt is the one that is asked for: it is under way, or it had the same Idempotency-Key."""
    if key and row.requested and row.requested.said.get("request") == key:
        return True
    return not row.answered and row.newest is not None and now - row.newest.at < LOST


def check(row: ChatRow) -> None:
    """Raises Problem 409 after too many attempts."""
    if row.attempts >= MOST:
        raise Problem(409, f"this chat was analysed {MOST} times; upload it again, or a part of it")


def requested(row: ChatRow, caller: Principal, key: str, now: datetime) -> AnalysisRequested:
    """The next attempt. Its id follows from the chat and its number, so two requests at once are one."""
    attempt, upload = row.attempts + 1, row.uploaded.said if row.uploaded else {}
    return AnalysisRequested(
        id=f"{row.chat_id}.analysis-{attempt}",
        source="soulfra/edge",
        time=now,
        tenant=caller.tenant,
        user=caller.subject,
        chat_id=row.chat_id,
        attempt=attempt,
        pointer=str(upload["pointer"]),
        size=int(str(upload["size"])),
        format=str(upload.get("format", "")),
        request=key,
    )
