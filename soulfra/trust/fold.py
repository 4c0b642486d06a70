"""Events folded into a person's rows of trust, and what each changes. The same evidence in any order gives the same bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec

from schemas.chat import AnalysisDone
from schemas.trust import Tier
from schemas.user import Standing, UserRegistered
from soulfra.trust.history import begin, days_of, span_of, start_of, walked
from soulfra.trust.model import PRIORS, Sums, ages, score, weigh
from soulfra.trust.rows import (
    EVIDENCE_A_DAY,
    HEAD,
    ContentRow,
    DayRow,
    Evidence,
    MonthRow,
    Move,
    State,
    TrustRow,
    TrustRows,
    content_key,
    day_of,
    month_of,
)


class Store(Protocol):
    """One person's rows, by sub-key."""

    def get(self, sub: str) -> TrustRows | None: ...
    def put(self, sub: str, row: TrustRows) -> None: ...
    def remove(self, sub: str) -> None: ...


class Change(NamedTuple):
    """What an event did to a person's trust as it stands, in thousandths of a point. The reasons add up to `new - old`."""

    old: int
    new: int
    tier: Tier
    reasons: tuple[tuple[str, int], ...]


def registered(store: Store, event: UserRegistered) -> Change | None:
    """A person arrives: only the prior and the age follow from it. None where trust stays as it was."""
    before = _head(store)
    prior = max(before.prior, PRIORS.get(event.standing, PRIORS[Standing.ANONYMOUS]))
    since = min(before.since or event.time, event.time).astimezone(UTC)
    row = msgspec.structs.replace(before, prior=prior, since=since)
    if row != before:
        _refold(store, row, "")
    return _change(before, _head(store), "identity") if _moved(before, _head(store)) else None


def analysed(store: Store, done: AnalysisDone) -> Change:
    """An analysis as evidence; of the same content the earliest (time, id) counts."""
    before = _head(store)
    new = Evidence(done.time.astimezone(UTC), done.id, done.chat_id, done.content, *weigh(done))
    key, known = content_key(new.content), store.get(content_key(new.content))
    if isinstance(known, ContentRow) and known.order <= new.order:
        return _unchanged(before, "repeated")
    store.put(key, ContentRow(new.at, new.id))
    row = msgspec.structs.replace(before, since=min(before.since or new.at, new.at))
    if isinstance(known, ContentRow):
        row = _take_out(store, row, known, new.content)
    row, counts = _put_in(store, row, new)
    if not counts and known is None:
        return _unchanged(before, "day_full")
    in_order = known is None and (before.last is None or before.last.order < new.order)
    if in_order and before.months:
        moves = _append(store, row, day_of(new.at))
    else:
        earliest = min(new.at, known.at) if isinstance(known, ContentRow) else new.at
        moves = _refold(store, row, month_of(earliest) if row.since == before.since else "")
    after = _head(store)
    if in_order:
        return Change(before.share, after.share, after.tier, _parts(before, moves))
    return _change(before, after, "late")


def passed(store: Store, at: datetime) -> Change | None:
    """Time got to `at`: ages of tiers are reached at midnights (UTC). None where that moves no tier."""
    before = _head(store)
    due = [midnight for midnight in ages(before.since) if midnight <= at] if before.since and before.months else []
    if not due or (before.until and before.until >= max(due)):
        return None
    moves = _end(store, msgspec.structs.replace(before, until=max(due)))
    after = _head(store)
    return Change(before.share, after.share, after.tier, _parts(before, moves)) if _moved(before, after) else None


def _head(store: Store) -> TrustRow:
    row = store.get(HEAD)
    return row if isinstance(row, TrustRow) else TrustRow()


def _moved(before: TrustRow, after: TrustRow) -> bool:
    return (before.share, before.tier) != (after.share, after.tier)


def _change(before: TrustRow, after: TrustRow, reason: str) -> Change:
    """One that comes from the past: what stands is corrected, and the reason says why."""
    return Change(before.share, after.share, after.tier, ((reason, after.share - before.share),))


def _unchanged(row: TrustRow, reason: str) -> Change:
    return Change(row.share, row.share, row.tier, ((reason, 0),))


def _parts(before: TrustRow, moves: Iterable[Move]) -> tuple[tuple[str, int], ...]:
    """The reasons of all moves behind the one that stood last, added up."""
    parts: Counter[str] = Counter()
    for move in moves:
        if before.last is None or move.order > before.last.order:
            parts.update(dict(move.reasons))
    return tuple((code, points) for code, points in parts.items() if points)


# -- evidence in days


def _put_in(store: Store, row: TrustRow, new: Evidence) -> tuple[TrustRow, bool]:
    """The head row with the evidence's month, and whether the evidence is among the earliest of its day, which count."""
    kept = sorted([*_day(store, day_of(new.at)), new], key=lambda e: e.order)[:EVIDENCE_A_DAY]
    if new not in kept:
        return row, False
    return _write_day(store, row, new.at, kept), True


def _take_out(store: Store, row: TrustRow, known: ContentRow, content: str) -> TrustRow:
    """The head row without the evidence that counted for a content so far."""
    kept = [e for e in _day(store, day_of(known.at)) if e.content != content]
    return _write_day(store, row, known.at, kept)


def _day(store: Store, day: str) -> tuple[Evidence, ...]:
    row = store.get(day)
    return row.evidence if isinstance(row, DayRow) else ()


def _write_day(store: Store, row: TrustRow, at: datetime, kept: list[Evidence]) -> TrustRow:
    """Writes a day and notes it in its month; what became empty goes."""
    day, month = day_of(at), month_of(at)
    _put_or_remove(store, day, DayRow(tuple(kept)) if kept else None)
    known = store.get(month)
    days = known.days if isinstance(known, MonthRow) else 0
    days = days | 1 << at.day - 1 if kept else days & ~(1 << at.day - 1)
    start = known.start if isinstance(known, MonthRow) else State()
    _put_or_remove(store, month, MonthRow(start, days) if days else None)
    months = {*row.months, month} if days else {*row.months} - {month}
    return msgspec.structs.replace(row, months=tuple(sorted(months)))


def _put_or_remove(store: Store, sub: str, row: TrustRows | None) -> None:
    if row is not None:
        store.put(sub, row)
    elif store.get(sub) is not None:
        store.remove(sub)


# -- folding again


def _append(store: Store, row: TrustRow, day: str) -> list[Move]:
    """Goes on from the newest day to a day that is no older, and writes the head row; the moves since that day's start."""
    moves: list[Move] = []
    if day != row.day:
        state, days, since = row.start, _rows_of(store, [row.day]), start_of(row.day)
        if (month := day[:7]) != row.day[:7]:
            moves, state = walked(row, state, days, since, start_of(month))
            store.put(month, MonthRow(state, _month(store, month).days))
            days, since = [], start_of(month)
        more, state = walked(row, state, days, since, start_of(day))
        moves += more
        row = msgspec.structs.replace(row, day=day, start=state)
    return moves + _end(store, row)


def _refold(store: Store, row: TrustRow, first: str) -> list[Move]:
    """Folds all evidence from a month on, and writes the head row; the moves since then."""
    earlier, months = [m for m in row.months if m < first], [m for m in row.months if m >= first]
    state = _walk_month(store, row, earlier[-1])[1] if earlier else begin(row)
    moves: list[Move] = []
    for month in months:
        store.put(month, MonthRow(state, _month(store, month).days))
        more, state = _walk_month(store, row, month)
        moves += more
    if not row.months:
        store.put(HEAD, msgspec.structs.replace(row, last=None, evidence=0, day="", start=State()))
        return moves
    month = row.months[-1]
    *before, day = days_of(month, _month(store, month))
    start = walked(row, _month(store, month).start, _rows_of(store, before), start_of(month), start_of(day))[1]
    _end(store, msgspec.structs.replace(row, day=day, start=start))
    return moves


def _end(store: Store, row: TrustRow) -> list[Move]:
    """Folds the newest day, and writes the head row; the day's moves."""
    moves, state = walked(row, row.start, _rows_of(store, [row.day]), start_of(row.day), None)
    last = moves[-1]
    evidence = score(row.prior, Sums(state.r, state.s), last.at).evidence
    store.put(HEAD, msgspec.structs.replace(row, last=last, evidence=evidence))
    return moves


def _walk_month(store: Store, row: TrustRow, month: str) -> tuple[list[Move], State]:
    month_row = _month(store, month)
    return walked(row, month_row.start, _rows_of(store, days_of(month, month_row)), *span_of(row, month))


def _month(store: Store, month: str) -> MonthRow:
    row = store.get(month)
    assert isinstance(row, MonthRow), month  # noqa: S101  (the head row lists it)
    return row


def _rows_of(store: Store, days: Iterable[str]) -> list[DayRow]:
    return [row for day in days if isinstance(row := store.get(day), DayRow)]
