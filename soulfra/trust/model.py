"""The numbers of trust: weights, scores and tiers. Integers throughout, so that every machine gets the same bytes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from schemas.chat import AnalysisDone
from schemas.trust import Tier
from schemas.user import Standing
from soulfra.trust.rows import Evidence, TrustRow

MODEL = 2  # version, named in every TrustUpdated
HALF_LIFE = timedelta(days=180)  # one for every kind of evidence: unequal ones sink idle people (simulated)
EPOCH = datetime(
    2000, 1, 1, tzinfo=UTC
)  # fixed anchor of the weights, so that integer sums commute exactly; no event is older
SCALE = 10**9
PRIOR_WEIGHT = 2  # W of the model: how much evidence the prior is worth
UPLOADS_A_DAY = 3  # that count in full; more share their weight
CONSISTENT = 300  # thousandths of positive evidence for a plausible upload that is not a repeat
PRIORS = {Standing.ANONYMOUS: 400, Standing.MAIL: 500, Standing.IDENTITY: 600}  # thousandths; identity is not merit

FRACTION_BITS = 24  # of a half-life: a step is less than a second
FIXED_BITS = 62  # of a fixed-point number


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


class Sums(NamedTuple):
    """Weighted evidence for and against, anchored at the epoch."""

    r: int = 0
    s: int = 0

    def plus(self, other: Sums) -> Sums:
        return Sums(self.r + other.r, self.s + other.s)


class Score(NamedTuple):
    """Trust at one time. `share` is the expectation E in thousandths of a point, `evidence` R + S in thousandths."""

    share: int
    evidence: int


def weigh(done: AnalysisDone) -> tuple[int, int]:
    """(r, s) of one analysis: its quality for, what it lacks against, and a little for being plausible."""
    quality = round(done.quality * 1000)
    return quality + CONSISTENT, 1000 - quality


def score(prior: int, sums: Sums, at: datetime) -> Score:
    """E = (R + aW) / (R + S + W); evidence halves every 180 days."""
    r, s = sums.r // weight(at), sums.s // weight(at)
    total = r + s + PRIOR_WEIGHT * 1000
    return Score((r + prior * PRIOR_WEIGHT) * 100_000 // total, r + s)


def weighted(evidence: Evidence) -> Sums:
    """What one upload says, by its age."""
    by = weight(evidence.at)
    return Sums(evidence.r * by, evidence.s * by)


def capped(day: Sums, uploads: int) -> Sums:
    """What the evidence of one day comes to: more than three uploads share the weight of three."""
    if uploads <= UPLOADS_A_DAY:
        return day
    return Sums(day.r * UPLOADS_A_DAY // uploads, day.s * UPLOADS_A_DAY // uploads)


@lru_cache(16_384)
def weight(at: datetime) -> int:
    """2 to the power of the half-lives since the epoch, times SCALE; by repeated square roots, in integers."""
    halvings, rest = divmod((at - EPOCH) // timedelta(microseconds=1), HALF_LIFE // timedelta(microseconds=1))
    fraction = (rest << FRACTION_BITS) // (HALF_LIFE // timedelta(microseconds=1))
    factor = 1 << FIXED_BITS
    for bit, root in enumerate(ROOTS, 1):
        if fraction >> (FRACTION_BITS - bit) & 1:
            factor = factor * root >> FIXED_BITS
    scaled = SCALE * factor >> FIXED_BITS
    return scaled << halvings if halvings >= 0 else max(1, scaled >> -halvings)


def _roots() -> tuple[int, ...]:
    """The square root of 2, the root of that, and so on, in fixed point."""
    roots, root = [], 2 << FIXED_BITS
    for _ in range(FRACTION_BITS):
        root = math.isqrt(root << FIXED_BITS)
        roots.append(root)
    return tuple(roots)


ROOTS = _roots()


def tier_after(held: Tier, now: Score, age: timedelta, against: bool) -> Tier:
    """Climbs as far as the rules allow; falls only on evidence against, never by silence."""
    reached = 0
    for step, rule in enumerate(RULES, 1):
        if now.share >= rule.enter * 100 and now.evidence >= rule.evidence and age >= rule.age:
            reached = step
    at = LADDER.index(held)
    while against and at > reached and now.share < RULES[at - 1].leave * 100:
        at -= 1
    return LADDER[max(at, reached)]


def ages(since: datetime) -> list[datetime]:
    """The midnights (UTC) at which the age of each tier is reached."""
    return [_midnight_after(since + rule.age) for rule in RULES]


def _midnight_after(at: datetime) -> datetime:
    return (at + timedelta(days=1)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def stage(row: TrustRow) -> str:
    """How much the score rests on evidence: `early` below five uploads' worth, else `settled`."""
    return "early" if row.evidence < RULES[0].evidence else "settled"


def uncertainty(row: TrustRow) -> int:
    """W / (R + S + W), in thousandths."""
    return PRIOR_WEIGHT * 1_000_000 // (row.evidence + PRIOR_WEIGHT * 1000)


def missing(row: TrustRow) -> dict[str, float]:
    """What separates a person from the next tier: points, uploads' worth of evidence, days. Empty at the top."""
    above = LADDER.index(row.tier)
    if above == len(RULES):
        return {}
    rule, age = RULES[above], row.as_of - row.since if row.as_of and row.since else timedelta()
    return {
        "points": max(0, rule.enter * 100 - row.share) / 1000,
        "evidence": max(0, rule.evidence - row.evidence) / 1000,
        "days": max(timedelta(), rule.age - age) / timedelta(days=1),
    }
