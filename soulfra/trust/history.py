"""A person's moves, computed again from the evidence: month by month, each from what stood at its start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

from schemas.trust import Tier
from soulfra.trust.model import CONSISTENT, Sums, ages, capped, score, tier_after, weight, weighted
from soulfra.trust.rows import DayRow, Evidence, MonthRow, Move, State, TrustRow, month_of


class Walk:
    """Goes through evidence and midnights in order, and says how trust moves."""

    def __init__(self, row: TrustRow, start: State) -> None:
        self._prior, self._since = row.prior, row.since
        self._before = Sums(start.r, start.s)  # of the days that are over
        self._day, self._today, self._uploads = date.min, Sums(), 0  # which still share their weight
        self._held, self._old = start.held, start.old

    def step(self, at: datetime, evidence: Evidence | None) -> Move | None:
        """How trust moves with this evidence, or at this midnight; at a midnight, only if it moves the tier."""
        if self._day != at.date():
            self._close_day(at.date())
        faded = score(self._prior, self._sums(), at).share
        if evidence is not None:
            self._today, self._uploads = self._today.plus(weighted(evidence)), self._uploads + 1
        now = score(self._prior, self._sums(), at)
        tier = tier_after(self._held, now, at - (self._since or at), against=evidence is not None and evidence.s > 0)
        if evidence is None and tier is self._held:
            return None
        parts = {"time": faded - self._old, "quality": 0, "consistency": 0}
        if evidence is not None:
            bare = score(self._prior, self._sums(bonus=CONSISTENT * weight(evidence.at)), at).share
            parts |= {"quality": bare - faded, "consistency": now.share - bare}
        reasons = tuple((code, points) for code, points in parts.items() if points)
        cause = (evidence.id, evidence.chat_id) if evidence is not None else ("", "")
        move = Move(at, *cause, self._old, now.share, tier, reasons)
        self._held, self._old = tier, now.share
        return move

    def end(self) -> State:
        """What stands when the days so far are over."""
        self._close_day(date.min)
        return State(self._before.r, self._before.s, self._held, self._old)

    def _close_day(self, next: date) -> None:
        self._before = self._sums()
        self._day, self._today, self._uploads = next, Sums(), 0

    def _sums(self, bonus: int = 0) -> Sums:
        """All evidence so far, without a bonus of the newest upload."""
        today = Sums(self._today.r - bonus, self._today.s)
        return self._before.plus(capped(today, self._uploads))


def begin(row: TrustRow) -> State:
    """What stands before any evidence."""
    return State(0, 0, Tier.BRONZE, row.prior * 100)


def walked(
    row: TrustRow, start: State, days: Iterable[DayRow], since: datetime, until: datetime | None
) -> tuple[list[Move], State]:
    """The moves in [since, until), and what stands then; without `until` as far as evidence and ticks go."""
    walk = Walk(row, start)
    evidence = [evidence for day in days for evidence in day.evidence]
    moments: list[tuple[datetime, str, Evidence | None]] = [(e.at, e.id, e) for e in evidence]
    moments += [(at, "", None) for at in _midnights(row, evidence, since, until)]
    moves = [walk.step(at, e) for at, _, e in sorted(moments, key=lambda moment: moment[:2])]
    return [move for move in moves if move is not None], walk.end()


def moves_of(row: TrustRow, month: str, month_row: MonthRow, days: Iterable[DayRow]) -> list[Move]:
    """The moves from a month's start to the next month with evidence, the newest first."""
    return walked(row, month_row.start, days, *span_of(row, month))[0][::-1]


def months_before(row: TrustRow, at: datetime | None) -> list[str]:
    """Months that may hold moves up to a time, the newest first."""
    newest = month_of(at) if at else None
    return [month for month in reversed(row.months) if newest is None or month <= newest]


def days_of(month: str, month_row: MonthRow) -> list[str]:
    """Sub-keys of the days with evidence, in order."""
    return [f"{month}-{n + 1:02}" for n in range(31) if month_row.days >> n & 1]


def span_of(row: TrustRow, month: str) -> tuple[datetime, datetime | None]:
    """From a month's start to that of the next month with evidence."""
    later = [other for other in row.months if other > month]
    return start_of(month), start_of(later[0]) if later else None


def start_of(period: str) -> datetime:
    """The first moment (UTC) of a month or a day, by its sub-key."""
    year, month, day = (*map(int, period.split("-")), 1)[:3]
    return datetime(year, month, day, tzinfo=UTC)


def _midnights(
    row: TrustRow, evidence: Sequence[Evidence], since: datetime, until: datetime | None
) -> Iterator[datetime]:
    """Those at which an age is reached, as far as time is known to have got."""
    newest = max([e.at for e in evidence[-1:]] + [at for at in (row.until,) if at], default=since)
    for at in ages(row.since) if row.since else ():
        if since <= at and (at < until if until else at <= newest):
            yield at
