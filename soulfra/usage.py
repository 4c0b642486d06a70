"""How usage is counted: each event once, in exact decimals, by meter and day."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Literal

import msgspec

from schemas.event import SYSTEM
from schemas.fields import NANO
from schemas.usage import UsageRecorded

UNIT = 10**NANO  # a quantity is kept as a whole number of billionths
MONTH = "@"  # between meter and month in a row's key
KEPT_CONFLICTS = 16  # of one event id; further ones are counted only

BYTES_INGESTED = "bytes.ingested"
ANALYSES_DONE = "analyses.done"
AGENTS_SUGGESTED = "agents.suggested"
SYSTEM_METERS = {
    BYTES_INGESTED: "a chat is uploaded",
    ANALYSES_DONE: "a chat is analysed",
    AGENTS_SUGGESTED: "an agent is suggested",
}  # written by our own folds alone, and when

Verdict = Literal["counted", "duplicate", "conflict"]


class Day(msgspec.Struct, frozen=True):
    """What one day (UTC) adds up to."""

    nano: int = 0
    events: int = 0


class UsageRow(msgspec.Struct, frozen=True):
    """One meter of one person in one month."""

    meter: str
    days: dict[str, Day] = {}
    last: datetime | None = None


class VerdictRow(msgspec.Struct, frozen=True):
    """What became of one usage event, however often it was sent."""

    id: str
    source: str
    digest: str
    offset: int  # of the record that counted
    duplicates: int = 0
    conflicts: int = 0
    conflicting: tuple[int, ...] = ()  # offsets of the first few

    def of(self, offset: int | None = None) -> Verdict:
        """The verdict over the record at an offset; without one, over the event."""
        if offset is None or offset == self.offset:
            return "counted"
        return "conflict" if offset in self.conflicting else "duplicate"


def reserved(event: UsageRecorded) -> str:
    """Why a meter is not the sender's to write, or nothing. Events of the source `soulfra` are our own."""
    if event.meter not in SYSTEM_METERS or event.source == SYSTEM:
        return ""
    when = SYSTEM_METERS[event.meter]
    return f"the meter {event.meter} is written by soulfra itself (tables worker) when {when}; name another meter"


def verdict_key(source: str, id: str) -> str:
    """Row of an event, within its person. A hash: `a-b`,`c` and `a`,`b-c` must not meet."""
    return hashlib.sha256(f"{source}\0{id}".encode()).hexdigest()[:32]


def judged(row: VerdictRow | None, event: UsageRecorded, offset: int) -> VerdictRow:
    """The first record of an id in the log counts; the same again is a duplicate, another payload a conflict."""
    if row is None:
        return VerdictRow(event.id, event.source, event.digest(), offset)
    if row.digest == event.digest():
        return msgspec.structs.replace(row, duplicates=row.duplicates + 1)
    kept = (*row.conflicting, offset)[:KEPT_CONFLICTS]
    return msgspec.structs.replace(row, conflicts=row.conflicts + 1, conflicting=kept)


def usage_key(event: UsageRecorded) -> str:
    """Row of an event's meter and month, within its person: no row grows with the years."""
    return f"{event.meter}{MONTH}{_used_at(event):%Y-%m}"


def meter_of(key: str) -> str:
    return key.partition(MONTH)[0]


def counted(row: UsageRow | None, event: UsageRecorded) -> UsageRow:
    """The row with this event's quantity on the day it was used."""
    row = row or UsageRow(event.meter)
    at = _used_at(event)
    on = at.date().isoformat()
    day = row.days.get(on, Day())
    grown = Day(day.nano + nano(event.quantity), day.events + 1)
    days = row.days | {on: grown}
    if on not in row.days:
        days = dict(sorted(days.items()))
    return UsageRow(row.meter, days, max(row.last or at, at))


def _used_at(event: UsageRecorded) -> datetime:
    return (event.occurred_at or event.time).astimezone(UTC)


def nano(quantity: str) -> int:
    """Exact billionths of a decimal text."""
    whole, _, part = quantity.partition(".")
    return int(whole + part.ljust(NANO, "0"))


def decimal(nano: int) -> str:
    """The shortest decimal text of so many billionths."""
    whole, part = divmod(abs(nano), UNIT)
    text = f"{whole}.{part:0{NANO}}".rstrip("0").rstrip(".")
    return f"-{text}" if nano < 0 else text


def total(rows: Iterable[UsageRow], since: date | None = None, until: date | None = None) -> Day:
    """The sum of the days in [since, until)."""
    within = days(rows, since, until).values()
    return Day(sum(day.nano for day in within), sum(day.events for day in within))


def days(rows: Iterable[UsageRow], since: date | None = None, until: date | None = None) -> dict[str, Day]:
    """The days in [since, until) of the months of one meter, in order."""
    return dict(sorted((on, day) for row in rows for on, day in row.days.items() if _within(on, since, until)))


def _within(on: str, since: date | None, until: date | None) -> bool:
    return (since is None or on >= since.isoformat()) and (until is None or on < until.isoformat())
