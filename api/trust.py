"""A person's trust as it stands, and every move of it, computed again from the evidence and paged."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Query, Response

from api.auth import Caller, own
from api.copy import NOW, Asked, Copy, Snapshot, TheCopy, freshness, row_of
from api.problem import Problem, later, unknown
from soulfra import trust
from topics import TRUST_ROWS
from topics.copy import ONLY

router = APIRouter(prefix="/v1/users/{id}/trust", tags=["trust"])

PAGE, LARGEST_PAGE = 50, 200  # moves
TRIES = 5  # at reading a page between two changes of the table


class Cursor(NamedTuple):
    """The move behind which a page begins, the newest first."""

    at: datetime
    id: str

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(tuple(self))).decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises Problem 400."""
        try:
            return cls(*msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[datetime, str]))
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            raise Problem(
                400, "the cursor is none of ours; begin without one, and go on with `next` of the answer"
            ) from None


@router.get("")
async def trust_of(id: str, caller: Caller, copy: TheCopy, asked: Asked, response: Response) -> dict[str, object]:
    """A person's trust, the last move with its reasons, and what is missing to the next tier."""
    row = _head(await copy.snapshot(TRUST_ROWS, own(id, caller), asked, response, [ONLY]))
    return {
        "score": round(row.share / 1000),
        "points": row.share / 1000,
        "tier": row.tier.value,
        "stage": trust.stage(row),
        "evidence": row.evidence / 1000,
        "uncertainty": trust.uncertainty(row) / 1000,
        "as_of": row.as_of,
        "missing": trust.missing(row),
        "last_move": describe(row.last) if row.last else None,
        "model": trust.MODEL,
    }


@router.get("/history")
async def history(
    id: str,
    caller: Caller,
    copy: TheCopy,
    asked: Asked,
    response: Response,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE,
) -> dict[str, object]:
    """A person's moves by event time, the newest first; the reasons of each add up to it."""
    behind = Cursor.parse(cursor) if cursor else None
    reader = Reader(copy, own(id, caller), await copy.snapshot(TRUST_ROWS, own(id, caller), asked, None, [ONLY]))
    moves = await reader.moves(behind, limit + 1)
    response.headers.update(freshness(reader.snapshot))
    page = moves[:limit]
    more = {"next": str(Cursor(*page[-1].order))} if len(moves) > limit else {}
    return {"moves": [describe(move) for move in page], **more}


class Reader:
    """Reads the rows of months and days that a page needs, all as of one position."""

    def __init__(self, copy: Copy, key: str, snapshot: Snapshot) -> None:
        self._copy, self._key, self.snapshot = copy, key, snapshot

    async def moves(self, behind: Cursor | None, wanted: int) -> list[trust.Move]:
        """The newest moves behind a cursor. Raises Problem 503 when the table changes all the time."""
        for _ in range(TRIES):
            moves = await self._moves(behind, wanted)
            if moves is not None:
                return moves
            self.snapshot = await self._copy.snapshot(TRUST_ROWS, self._key, NOW, None, [ONLY])
        raise later("the history changes while it is read; ask again in a moment")

    async def _moves(self, behind: Cursor | None, wanted: int) -> list[trust.Move] | None:
        """None when the table has changed since the head row was read."""
        row, moves = _head(self.snapshot), list[trust.Move]()
        for month in trust.months_before(row, behind.at if behind else None):
            [month_row] = await self._read([month]) or [None]
            if not isinstance(month_row, trust.MonthRow):
                return None
            days = await self._read(trust.days_of(month, month_row))
            if days is None:
                return None
            of_month = trust.moves_of(row, month, month_row, [day for day in days if isinstance(day, trust.DayRow)])
            moves += [move for move in of_month if behind is None or move.order < (behind.at, behind.id)]
            if len(moves) >= wanted:
                break
        return moves[:wanted]

    async def _read(self, subs: list[str]) -> list[Any] | None:
        snapshot = await self._copy.snapshot(TRUST_ROWS, self._key, NOW, None, subs)
        if snapshot.position.next != self.snapshot.position.next:
            return None
        return [row_of(TRUST_ROWS, snapshot, sub) for sub in subs]


def describe(move: trust.Move) -> dict[str, object]:
    return {
        "at": move.at,
        "chat_id": move.chat_id or None,
        "old": move.old / 1000,
        "new": move.new / 1000,
        "tier": move.tier.value,
        "reasons": [{"code": code, "points": points / 1000} for code, points in move.reasons],
    }


def _head(snapshot: Snapshot) -> trust.TrustRow:
    row = row_of(TRUST_ROWS, snapshot)
    if not isinstance(row, trust.TrustRow):
        raise unknown("person with any trust; it begins with the registration or the first chat")
    return row
