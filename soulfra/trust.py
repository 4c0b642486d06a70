"""How trust grows and fades: Beta reputation with forgetting, over sums of evidence, so that nothing depends on order.

Jøsang and Ismail, The Beta Reputation System, Bled 2002; evidence-based form after Škorić et al. 2015.
What people write never moves trust: only how their uploads behave does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec

from schemas.chat import AnalysisDone
from schemas.trust import Reason, Tier
from schemas.user import Standing, UserRegistered

MODEL = 1  # version, named in every TrustUpdated
HALF_LIFE = timedelta(days=180)  # one for every kind of evidence: unequal ones sink idle people (simulated)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)  # fixed anchor of the weights, so that integer sums commute exactly
SCALE = 10**9
PRIOR_WEIGHT = 2  # W of the model: how much evidence the prior is worth
A_DAY = 3  # uploads of one day that count; more share their weight
CONSISTENT = 300  # thousandths of positive evidence for a plausible upload that is not a repeat
PRIORS = {Standing.ANONYMOUS: 400, Standing.MAIL: 500, Standing.IDENTITY: 600}  # thousandths; identity is not merit
HISTORY = 200  # newest moves shown


class Rule(NamedTuple):
    """What a tier asks for, and when it is lost. Shares in thousandths, evidence in thousandths of an upload."""

    tier: Tier
    enter: int
    evidence: int
    age: timedelta
    leave: int


RULES = (
    Rule(Tier.SILVER, 700, 5_000, timedelta(days=7), 650),
    Rule(Tier.GOLD, 800, 20_000, timedelta(days=30), 750),
    Rule(Tier.PLATINUM, 900, 60_000, timedelta(days=90), 860),
)
LADDER = (Tier.BRONZE, *(rule.tier for rule in RULES))


class Evidence(msgspec.Struct, frozen=True):
    """One upload's word: `r` for and `s` against, in thousandths."""

    at: datetime
    id: str  # of the event
    chat_id: str
    r: int
    s: int


class TrustRow(msgspec.Struct, frozen=True):
    """A person's evidence, by the keyed digest of the content: the same chat again adds nothing."""

    prior: int = PRIORS[Standing.ANONYMOUS]
    since: datetime | None = None
    until: datetime | None = None  # the last midnight that moved the tier
    evidence: dict[str, Evidence] = {}


class Score(NamedTuple):
    """Trust at one moment. `share` is the expectation E in thousandths of a point, `evidence` R + S in thousandths."""

    share: int
    evidence: int
    uncertainty: int


class Sums(NamedTuple):
    """Weighted evidence for and against, anchored at the epoch."""

    r: int = 0
    s: int = 0

    def __add__(self, other: object) -> Sums:
        return Sums(self.r + other.r, self.s + other.s) if isinstance(other, Sums) else NotImplemented


class Move(NamedTuple):
    """One change of a person's trust; the reasons' points add up to `new - old`."""

    at: datetime
    id: str
    chat_id: str
    old: int
    new: int
    tier: Tier
    reasons: tuple[Reason, ...]


def registered(row: TrustRow | None, event: UserRegistered) -> TrustRow:
    """A person arrives: only the prior and the age follow from it."""
    row = row or TrustRow()
    prior = PRIORS.get(event.standing, PRIORS[Standing.ANONYMOUS])
    return msgspec.structs.replace(row, prior=max(row.prior, prior), since=min(row.since or event.time, event.time))


def after(row: TrustRow | None, done: AnalysisDone) -> TrustRow:
    """The row with this analysis as evidence; of the same content the earliest (time, id) counts."""
    row = row or TrustRow()
    new = Evidence(done.time, done.id, done.chat_id, *weigh(done))
    old = row.evidence.get(done.content)
    kept = new if old is None else min(old, new, key=_order)
    evidence = dict(sorted({**row.evidence, done.content: kept}.items(), key=lambda entry: _order(entry[1])))
    return msgspec.structs.replace(row, since=min(row.since or done.time, done.time), evidence=evidence)


def aged(row: TrustRow, at: datetime) -> TrustRow | None:
    """The row after the midnight before `at`, if passing it moves the tier: ages are reached at midnights (UTC)."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    older = msgspec.structs.replace(row, until=max(row.until or midnight, midnight))
    return older if tier(older) is not tier(row) else None


def weigh(done: AnalysisDone) -> tuple[int, int]:
    """(r, s) of one analysis: its quality for, what it lacks against, and a little for being plausible."""
    quality = round(done.quality * 1000)
    return quality + CONSISTENT, 1000 - quality


def score(row: TrustRow, at: datetime) -> Score:
    """E = (R + aW) / (R + S + W) at a moment; evidence halves every 180 days and three uploads a day count in full."""
    days: dict[date, list[Evidence]] = {}
    for one in row.evidence.values():
        days.setdefault(one.at.date(), []).append(one)
    return _score(row.prior, sum((_summed(day) for day in days.values()), Sums()), at)


def moves(row: TrustRow) -> Iterator[Move]:
    """Every move of a person's trust in the order of event time, the oldest first. Parts add up to each move."""
    before, today = Sums(), list[Evidence]()  # what is closed, and the day that still shares its weight
    held, old = Tier.BRONZE, row.prior * 100
    for at, one in _moments(row):
        if today and today[0].at.date() != at.date():
            before, today = before + _summed(today), []
        faded = _score(row.prior, before + _summed(today), at).share
        today = [*today, one] if one else today
        now = _score(row.prior, before + _summed(today), at)
        reached = _tier(held, now, at - (row.since or at), fell=bool(one and one.s))
        if one or reached is not held:
            held, cause = reached, (one.id, one.chat_id) if one else ("", "")
            bare = _score(row.prior, before + _summed(_without_bonus(today)), at).share if one else now.share
            parts = {"time": faded - old, "quality": bare - faded, "consistency": now.share - bare}
            reasons = tuple(Reason(code=code, points=points) for code, points in parts.items() if points)
            yield Move(at, *cause, old, now.share, held, reasons)
            old = now.share


def history(row: TrustRow) -> list[Move]:
    """The newest moves, the newest first."""
    return list(moves(row))[-HISTORY:][::-1]


def tier(row: TrustRow) -> Tier:
    return deque((move.tier for move in moves(row)), maxlen=1).pop() if row.evidence else Tier.BRONZE


def stage(now: Score) -> str:
    """How much the score rests on evidence: `early` below five uploads' worth, else `settled`."""
    return "early" if now.evidence < RULES[0].evidence else "settled"


def missing(row: TrustRow, at: datetime) -> dict[str, float]:
    """What separates a person from the next tier: points, uploads' worth of evidence, days. Empty at the top."""
    above = LADDER.index(tier(row))
    if above == len(RULES):
        return {}
    rule, now = RULES[above], score(row, at)
    age = at - (row.since or at)
    return {
        "points": max(0, rule.enter * 100 - now.share) / 1000,
        "evidence": max(0, rule.evidence - now.evidence) / 1000,
        "days": max(timedelta(), rule.age - age) / timedelta(days=1),
    }


def _order(one: Evidence) -> tuple[datetime, str]:
    return one.at, one.id


def _weight(at: datetime) -> int:
    """Anchored at a fixed epoch, as an integer: sums of such weights are the same in any order."""
    return round(math.pow(2, (at - EPOCH) / HALF_LIFE) * SCALE)


def _summed(day: list[Evidence]) -> Sums:
    """One day's evidence, weighted. The cap holds for the day's total, so order does not matter."""
    share = SCALE if len(day) <= A_DAY else SCALE * A_DAY // len(day)
    weighted = [(one, _weight(one.at) * share // SCALE) for one in day]
    return Sums(sum(one.r * weight for one, weight in weighted), sum(one.s * weight for one, weight in weighted))


def _score(prior: int, sums: Sums, at: datetime) -> Score:
    r, s = sums.r // _weight(at), sums.s // _weight(at)
    whole = r + s + PRIOR_WEIGHT * 1000
    return Score((r + prior * PRIOR_WEIGHT) * 100_000 // whole, r + s, PRIOR_WEIGHT * 1_000_000 // whole)


def _without_bonus(today: list[Evidence]) -> list[Evidence]:
    """The day as it were without what the newest upload got for being plausible."""
    return [*today[:-1], msgspec.structs.replace(today[-1], r=today[-1].r - CONSISTENT)]


def _moments(row: TrustRow) -> Iterator[tuple[datetime, Evidence | None]]:
    """When something may move: at each evidence, and at the midnights (UTC) at which an age is reached."""
    if not row.evidence:
        return
    newest = max([one.at for one in row.evidence.values()] + ([row.until] if row.until else []))
    since = row.since or newest
    ages = [_midnight(since + rule.age) for rule in RULES]
    found: list[tuple[datetime, str, Evidence | None]] = [(one.at, one.id, one) for one in row.evidence.values()]
    found += [(at, "", None) for at in ages if at <= newest]
    yield from ((at, one) for at, _, one in sorted(found, key=lambda moment: moment[:2]))


def _midnight(at: datetime) -> datetime:
    return (at + timedelta(days=1)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _tier(held: Tier, now: Score, age: timedelta, fell: bool) -> Tier:
    """Climbs as far as the rules allow; falls only on evidence against, never by silence."""
    reached = 0
    for step, rule in enumerate(RULES, 1):
        if now.share >= rule.enter * 100 and now.evidence >= rule.evidence and age >= rule.age:
            reached = step
    at = LADDER.index(held)
    while fell and at > reached and now.share < RULES[at - 1].leave * 100:
        at -= 1
    return LADDER[max(at, reached)]


def unmoved(row: TrustRow, done: AnalysisDone) -> Move:
    """The move of an upload whose content had given its evidence before: none, and the reason says so."""
    share = score(row, done.time).share
    return Move(done.time, done.id, done.chat_id, share, share, tier(row), (Reason(code="repeated", points=0),))
