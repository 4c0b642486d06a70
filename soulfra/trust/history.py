"""A person's moves, computed again from the evidence: month by month, each from what stood at its start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from schemas.trust import Tier
from soulfra.trust.model import CONSISTENT, Sums, ages, score, summed, tier_after
from soulfra.trust.rows import DayRow, Evidence, MonthRow, Move, State, TrustRow


class Walk:
    """Goes through evidence and midnights in order, and says how trust moves."""

    def __init__(self, row: TrustRow, start: State) -> None:
        self._prior, self._since = row.prior, row.since
        self._before = Sums(start.r, start.s)  # of the days that are over
        self._today: list[Evidence] = []  # which still share their weight
        self._held, self._old = start.held, start.old

    def step(self, at: datetime, evidence: Evidence | None) -> Move | None:
        """How trust moves with this evidence, or at this midnight; at a midnight, only if it moves the tier."""
        if self._today and self._today[0].at.date() != at.date():
            self._close_day()
        faded = self._share(at)
        if evidence is not None:
            self._today.append(evidence)
        now = score(self._prior, self._sums(), at)
        tier = tier_after(self._held, now, at - (self._since or at), against=evidence is not None and evidence.s > 0)
        if evidence is None and tier is self._held:
            return None
        parts = {"time": faded - self._old, "quality": 0, "consistency": 0}
        if evidence is not None:
            bare = self._without_bonus(at)
            parts |= {"quality": bare - faded, "consistency": now.share - bare}
        reasons = tuple((code, points) for code, points in parts.items() if points)
        cause = (evidence.id, evidence.chat_id) if evidence is not None else ("", "")
        move = Move(at, *cause, self._old, now.share, tier, reasons)
        self._held, self._old = tier, now.share
        return move

    def end(self) -> State:
        """What stands when the days so far are over."""
        self._close_day()
        return State(self._before.r, self._before.s, self._held, self._old)

    def _close_day(self) -> None:
        self._before, self._today = self._sums(), []

    def _sums(self) -> Sums:
        return self._before.plus(summed(self._today))

    def _share(self, at: datetime) -> int:
        return score(self._prior, self._sums(), at).share

    def _without_bonus(self, at: datetime) -> int:
        """The share as it were without what the newest upload got for being plausible."""
        *earlier, newest = self._today
        bare = [*earlier, msgspec.structs.replace(newest, r=newest.r - CONSISTENT)]
        return score(self._prior, self._before.plus(summed(bare)), at).share


def begin(row: TrustRow) -> State:
    """What stands before any evidence."""
    return State(0, 0, Tier.BRONZE, row.prior * 100)


def walked(row: TrustRow, month: str, start: State, days: Iterable[DayRow]) -> tuple[list[Move], State]:
    """The moves from a month's start to the next month with evidence, and what stands then."""
    walk = Walk(row, start)
    evidence = [evidence for day in days for evidence in day.evidence]
    moments: list[tuple[datetime, str, Evidence | None]] = [(e.at, e.id, e) for e in evidence]
    moments += [(at, "", None) for at in _midnights(row, month, evidence)]
    moves = [walk.step(at, e) for at, _, e in sorted(moments, key=lambda moment: moment[:2])]
    return [move for move in moves if move is not None], walk.end()


def moves_of(row: TrustRow, month: str, month_row: MonthRow, days: Sequence[DayRow]) -> list[Move]:
    """The moves of one month, the newest first."""
    return walked(row, month, month_row.start, days)[0][::-1]


def months_before(row: TrustRow, at: datetime | None) -> list[str]:
    """Months that may hold moves up to a time, the newest first."""
    newest = f"{at.astimezone(UTC):%Y-%m}" if at else None
    return [month for month in reversed(row.months) if newest is None or month <= newest]


def days_of(month: str, month_row: MonthRow) -> list[str]:
    """Sub-keys of the days with evidence, in order."""
    return [f"{month}-{n + 1:02}" for n in range(31) if month_row.days >> n & 1]


def _midnights(row: TrustRow, month: str, evidence: Sequence[Evidence]) -> Iterator[datetime]:
    """Those at which an age is reached, between the month's start and the next month with evidence, if time got there."""
    first, later = start_of(month), [other for other in row.months if other > month]
    newest = max([e.at for e in evidence[-1:]] + [at for at in (row.until,) if at], default=first)
    for at in ages(row.since) if row.since else ():
        if first <= at and (at < start_of(later[0]) if later else at <= newest):
            yield at


def start_of(month: str) -> datetime:
    year, number = month.split("-")
    return datetime(int(year), int(number), 1, tzinfo=UTC)
