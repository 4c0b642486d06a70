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
from soulfra.trust.history import begin, days_of, walked
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
        _refold(store, row, row.months[:1])
    return _change(before, _head(store), "identity") if _moved(before, _head(store)) else None


def analysed(store: Store, done: AnalysisDone) -> Change:
    """An analysis as evidence; of the same content the earliest (time, id) counts."""
    before = _head(store)
    new = Evidence(done.time.astimezone(UTC), done.id, done.chat_id, done.content, *weigh(done))
    key, known = content_key(new.content), store.get(content_key(new.content))
    if isinstance(known, ContentRow) and known.order <= new.order:
        return _unchanged(before, "repeated")
    store.put(key, ContentRow(new.at, new.id))
    affected = {month_of(new.at)}
    row = msgspec.structs.replace(before, since=min(before.since or new.at, new.at))
    if isinstance(known, ContentRow):
        row = _taken_out(store, row, known, new.content)
        affected.add(month_of(known.at))
    row, counts = _put_in(store, row, new)
    if not counts and not isinstance(known, ContentRow):
        store.put(HEAD, row)
        return _unchanged(row, "day_full")
    moves = _refold(store, row, affected if row.since == before.since else row.months[:1])
    after = _head(store)
    newest = before.last is None or (counts and known is None and before.last.order < new.order)
    return (
        Change(before.share, after.share, after.tier, _parts(before, moves))
        if newest
        else _change(before, after, "late")
    )


def passed(store: Store, at: datetime) -> Change | None:
    """Time got to `at`: ages of tiers are reached at midnights (UTC). None where that moves no tier."""
    before = _head(store)
    due = [midnight for midnight in ages(before.since) if midnight <= at] if before.since and before.months else []
    if not due or (before.until and before.until >= max(due)):
        return None
    moves = _refold(store, msgspec.structs.replace(before, until=max(due)), before.months[-1:])
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


def _taken_out(store: Store, row: TrustRow, known: ContentRow, content: str) -> TrustRow:
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


# -- from a month on


def _refold(store: Store, row: TrustRow, affected: Iterable[str]) -> list[Move]:
    """Folds the evidence from the first of these months on, and writes the head row; the moves since then."""
    first = min(affected, default="")
    months = [month for month in row.months if month >= first]
    moves: list[Move] = []
    earlier = [month for month in row.months if month < first]
    state = _end_of(store, row, earlier[-1]) if earlier else begin(row)
    for month in months:
        store.put(month, MonthRow(state, _month(store, month).days))
        walk, state = walked(row, month, state, _days(store, month))
        moves += walk
    last = moves[-1] if moves else _last_of(store, row, earlier)
    evidence = score(row.prior, Sums(state.r, state.s), last.at).evidence if last else 0
    store.put(HEAD, msgspec.structs.replace(row, last=last, evidence=evidence))
    return moves


def _last_of(store: Store, row: TrustRow, months: list[str]) -> Move | None:
    if not months:
        return None
    return walked(row, months[-1], _month(store, months[-1]).start, _days(store, months[-1]))[0][-1]


def _end_of(store: Store, row: TrustRow, month: str) -> State:
    return walked(row, month, _month(store, month).start, _days(store, month))[1]


def _month(store: Store, month: str) -> MonthRow:
    row = store.get(month)
    assert isinstance(row, MonthRow), month  # noqa: S101  (the head row lists it)
    return row


def _days(store: Store, month: str) -> list[DayRow]:
    days = [store.get(day) for day in days_of(month, _month(store, month))]
    return [day for day in days if isinstance(day, DayRow)]
