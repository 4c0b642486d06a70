"""The rows of trust. A person's evidence lies in one row a day, and a month's row holds what stood at its start: no row grows
with a person's past, and late evidence is folded again from the month it belongs to.

Sub-keys of a person: none (the head), `2026-11` (a month), `2026-11-30` (a day), `=<digest>` (a content).
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from schemas.trust import Tier

EVIDENCE_A_DAY = 100  # the earliest of a day; what came after them that day adds nothing
HEAD = ""


class Evidence(msgspec.Struct, frozen=True):
    """What one upload says: `r` for and `s` against, in thousandths. `content` is its keyed digest."""

    at: datetime
    id: str  # of the event
    chat_id: str
    content: str
    r: int
    s: int

    @property
    def order(self) -> tuple[datetime, str]:
        return self.at, self.id


class Move(msgspec.Struct, frozen=True):
    """One change of a person's trust, in thousandths of a point; the reasons' points add up to `new - old`.

    `id` and `chat_id` are empty where only time has moved it.
    """

    at: datetime
    id: str
    chat_id: str
    old: int
    new: int
    tier: Tier
    reasons: tuple[tuple[str, int], ...]

    @property
    def order(self) -> tuple[datetime, str]:
        return self.at, self.id


class State(msgspec.Struct, frozen=True):
    """Where a person stands between two days: weighted sums of all evidence before, the tier held, the share moved to."""

    r: int = 0
    s: int = 0
    held: Tier = Tier.BRONZE
    old: int = 0


class TrustRow(msgspec.Struct, frozen=True, tag="person"):
    """A person's head row: what all their evidence comes to. `share` and `evidence` are as of the last move.

    What comes in order is folded from the start of the newest day, what comes late from the start of its month.
    """

    prior: int = 400
    since: datetime | None = None
    until: datetime | None = None  # the last midnight at which an age was reached, as far as ticks have passed
    months: tuple[str, ...] = ()  # those with evidence
    day: str = ""  # the newest with evidence
    start: State = State()  # what stood at its start
    evidence: int = 0  # R + S, thousandths
    last: Move | None = None

    @property
    def share(self) -> int:
        return self.last.new if self.last else self.prior * 100

    @property
    def tier(self) -> Tier:
        return self.last.tier if self.last else Tier.BRONZE

    @property
    def as_of(self) -> datetime | None:
        return self.last.at if self.last else self.since


class MonthRow(msgspec.Struct, frozen=True, tag="month"):
    """What stood at the start of a month, and on which of its days there is evidence (bit 0 is the first)."""

    start: State
    days: int = 0


class DayRow(msgspec.Struct, frozen=True, tag="day"):
    """The evidence of one day (UTC), in order."""

    evidence: tuple[Evidence, ...]


class ContentRow(msgspec.Struct, frozen=True, tag="content"):
    """When a content was first seen: the same again is no evidence."""

    at: datetime
    id: str

    @property
    def order(self) -> tuple[datetime, str]:
        return self.at, self.id


TrustRows = TrustRow | MonthRow | DayRow | ContentRow


def month_of(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m}"


def day_of(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def content_key(content: str) -> str:
    return f"={content}"
