"""What trust promises: the order of evidence does not matter, every move is explained, silence costs no tier, and no row grows."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import AnalysisDone, UserRegistered
from schemas.trust import Tier
from schemas.user import Standing
from soulfra import trust
from soulfra.trust.model import EPOCH, HALF_LIFE, LADDER, PRIORS, RULES, SCALE, Rule, Score, Sums, score, weight
from soulfra.trust.rows import EVIDENCE_A_DAY, HEAD

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


class Person:
    """The rows of one person in a dictionary, and what was said about them."""

    def __init__(self, events: Iterable[AnalysisDone | UserRegistered] = ()) -> None:
        self.rows: dict[str, Any] = {}
        self.changes: list[trust.Change] = []
        for event in events:
            self.tell(event)

    def get(self, sub: str) -> Any:
        return self.rows.get(sub)

    def put(self, sub: str, row: Any) -> None:
        self.rows[sub] = row

    def remove(self, sub: str) -> None:
        del self.rows[sub]

    def tell(self, event: AnalysisDone | UserRegistered | datetime) -> trust.Change | None:
        match event:
            case AnalysisDone():
                change: trust.Change | None = trust.analysed(self, event)
            case UserRegistered():
                change = trust.registered(self, event)
            case _:
                change = trust.passed(self, event)
        self.changes += [change] if change else []
        return change

    @property
    def head(self) -> trust.TrustRow:
        row = self.rows.get(HEAD, trust.TrustRow())
        assert isinstance(row, trust.TrustRow)
        return row

    @property
    def moves(self) -> list[trust.Move]:
        """All of them, the oldest first."""
        by_month = [self.of_month(month) for month in trust.months_before(self.head, None)]
        return [move for moves in by_month[::-1] for move in moves[::-1]]

    def of_month(self, month: str) -> list[trust.Move]:
        row = self.rows[month]
        return trust.moves_of(self.head, month, row, [self.rows[day] for day in trust.days_of(month, row)])

    @property
    def evidence(self) -> list[trust.Evidence]:
        return sorted(
            (e for row in self.rows.values() if isinstance(row, trust.DayRow) for e in row.evidence), key=order
        )

    @property
    def bytes(self) -> dict[str, bytes]:
        return {sub: msgspec.json.encode(row) for sub, row in self.rows.items()}


def order(evidence: trust.Evidence) -> tuple[datetime, str]:
    return evidence.at, evidence.id


def done(n: int = 0, at: datetime = START, quality: float = 1.0, content: str | None = None) -> AnalysisDone:
    body: dict[str, Any] = {
        "conversations": 1,
        "messages": 3,
        "visible": 2,
        "participants": 2,
        "insights": [],
        "style": {},
    }
    return AnalysisDone(
        id=f"e{n}", source="soulfra", time=at, user="u", chat_id=f"c{n}", format="whatsapp", quality=quality, secrets=0,
        fingerprints=[], content=content or f"{n:032x}", pointer="p", analyser=1, **body,
    )  # fmt: skip


def registration(standing: Standing = Standing.ANONYMOUS, at: datetime = START) -> UserRegistered:
    return UserRegistered(id="r", source="soulfra", time=at, user="u", standing=standing)


def uploads(
    n: int, a_day: int = 2, quality: float = 1.0, since: datetime = START, first: int = 0
) -> list[AnalysisDone]:
    return [done(first + k, since + timedelta(days=k // a_day, minutes=k % a_day), quality) for k in range(n)]


EVENTS = st.lists(
    st.builds(
        lambda n, hours, quality, content: done(n, START + timedelta(hours=hours), quality, f"{content:032x}"),
        st.integers(0, 10**6), st.integers(0, 24 * 400), st.floats(0, 1), st.integers(0, 15),
    ),
    min_size=1, max_size=25, unique_by=lambda event: event.id,
)  # fmt: skip
SOMEBODY = st.lists(
    st.builds(lambda standing, days: registration(standing, START + timedelta(days=days)),
              st.sampled_from(list(Standing)[1:]), st.integers(-40, 40)),
    max_size=2,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(events=EVENTS, people=SOMEBODY, seed=st.integers(0, 1000))
def test_evidence_in_any_order_gives_the_same_bytes(
    events: list[AnalysisDone], people: list[UserRegistered], seed: int
) -> None:
    everything: list[Any] = [*events, *people]
    one, other = Person(everything), Person(random.Random(seed).sample(everything, len(everything)))
    assert one.bytes == other.bytes
    assert one.moves == other.moves


@settings(max_examples=80, deadline=None)
@given(events=EVENTS, people=SOMEBODY, ticks=st.lists(st.integers(1, 500), max_size=3), seed=st.integers(0, 1000))
def test_the_last_change_that_is_said_always_equals_the_table(
    events: list[AnalysisDone], people: list[UserRegistered], ticks: list[int], seed: int
) -> None:
    """In whatever order analyses end: each change begins where the one before ended, and its reasons add up."""
    everything: list[Any] = [*events, *people, *(START + timedelta(days=days) for days in ticks)]
    person, now, first = Person(), 400 * 100, True
    for event in random.Random(seed).sample(everything, len(everything)):
        change = person.tell(event)
        if change is None:
            assert first or person.head.share == now
        else:
            assert change.old == now and sum(points for _, points in change.reasons) == change.new - change.old
            assert (change.new, change.tier) == (person.head.share, person.head.tier)
            first = False
        now = person.head.share


def naive(row: trust.TrustRow, evidence: list[trust.Evidence]) -> list[tuple[datetime, int, Tier]]:
    """Every move, from all the evidence at once, written down again from the model's definition."""
    moments: list[tuple[datetime, str, trust.Evidence | None]] = [(e.at, e.id, e) for e in evidence]
    newest = max([e.at for e in evidence] + ([row.until] if row.until else []))
    assert row.since
    for rule in RULES:
        midnight = (row.since + rule.age + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        moments += [(midnight, "", None)] if midnight <= newest else []
    held, moves, seen = Tier.BRONZE, list[tuple[datetime, int, Tier]](), list[trust.Evidence]()
    for at, _, one in sorted(moments, key=lambda moment: moment[:2]):
        seen += [one] if one else []
        days: dict[date, list[trust.Evidence]] = {}
        for e in seen:
            days.setdefault(e.at.date(), []).append(e)
        r = s = 0
        for of_day in days.values():
            n, day_r, day_s = len(of_day), *(sum(getattr(e, side) * weight(e.at) for e in of_day) for side in "rs")
            r, s = (r + day_r, s + day_s) if n <= 3 else (r + day_r * 3 // n, s + day_s * 3 // n)
        now = score(row.prior, Sums(r, s), at)
        reached = max([n for n, rule in enumerate(RULES, 1) if fits(rule, now, at - row.since)], default=0)
        place = LADDER.index(held)
        while one and one.s and place > reached and now.share < RULES[place - 1].leave * 100:
            place -= 1
        tier = LADDER[max(place, reached)]
        if one or tier is not held:
            held = tier
            moves.append((at, now.share, held))
    return moves


def fits(rule: Rule, now: Score, age: timedelta) -> bool:
    return now.share >= rule.enter * 100 and now.evidence >= rule.evidence and age >= rule.age


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, tick=st.integers(1, 500))
def test_moves_folded_by_month_equal_those_of_all_evidence_at_once(events: list[AnalysisDone], tick: int) -> None:
    person = Person(events)
    person.tell(START + timedelta(days=tick))
    assert [(move.at, move.new, move.tier) for move in person.moves] == naive(person.head, person.evidence)


def test_a_long_life_folded_by_month_equals_all_evidence_at_once() -> None:
    person = Person(random.Random(3).sample(uploads(220), 220))
    assert [(move.at, move.new, move.tier) for move in person.moves] == naive(person.head, person.evidence)


@settings(max_examples=60, deadline=None)
@given(events=EVENTS)
def test_the_parts_of_each_move_add_up_to_it_and_moves_follow_on_each_other(events: list[AnalysisDone]) -> None:
    person = Person(events)
    old = person.head.prior * 100
    for move in person.moves:
        assert move.old == old
        assert sum(points for _, points in move.reasons) == move.new - move.old
        assert 0 <= move.new <= 100_000
        old = move.new
    assert old == person.head.share and person.head.last == person.moves[-1]


def test_no_row_grows_with_the_years_or_with_one_busy_day() -> None:
    person = Person(uploads(400, a_day=1) + [done(1_000 + n, START + timedelta(seconds=n)) for n in range(300)])
    sizes = Counter({sub: len(row) for sub, row in person.bytes.items()})
    assert len(person.rows[f"{START:%Y-%m-%d}"].evidence) == EVIDENCE_A_DAY
    [(_, largest)] = sizes.most_common(1)
    assert largest < 25_000 and len(person.bytes[HEAD]) < 700


def test_of_one_day_the_earliest_hundred_count_in_whatever_order_they_come() -> None:
    events = [done(n, START + timedelta(seconds=n), quality=n % 3 / 2) for n in range(130)]
    one, other = Person(events), Person(random.Random(1).sample(events, 130))
    assert one.bytes == other.bytes
    assert one.changes[-1].reasons == (("day_full", 0),)


def test_late_evidence_corrects_what_stands_and_says_so() -> None:
    """Of three analyses the first one ends last."""
    first, second, third = (done(n, START + timedelta(minutes=n)) for n in range(3))
    person = Person([second, third])
    change = person.tell(first)
    assert change is not None and change.old == 73_907 and [code for code, _ in change.reasons] == ["late"]
    assert change.new == person.head.share == Person([first, second, third]).head.share


def test_a_late_registration_moves_the_prior_and_says_so() -> None:
    person = Person(uploads(3))
    before = person.head.share
    change = person.tell(registration(Standing.IDENTITY))
    assert change is not None and (change.old, change.new) == (before, person.head.share)
    assert change.reasons == (("identity", change.new - before),)
    assert person.tell(registration(Standing.IDENTITY)) is None


def test_the_same_content_again_gives_nothing_and_says_so() -> None:
    person = Person(uploads(3))
    before = person.bytes
    change = person.tell(done(99, START + timedelta(days=9), content=f"{1:032x}"))
    assert change is not None and change.old == change.new and change.reasons == (("repeated", 0),)
    assert person.bytes == before


def test_of_the_same_content_the_earliest_counts() -> None:
    early, late = done(1, START, 0.2, "a" * 32), done(2, START + timedelta(days=40), 1.0, "a" * 32)
    assert Person([late, early]).bytes == Person([early, late]).bytes == Person([early]).bytes


def test_content_seen_before_its_history_page_is_called_repeated_however_long_ago() -> None:
    person = Person(uploads(250))
    change = person.tell(done(999, START + timedelta(days=200), content=f"{0:032x}"))
    assert change is not None and change.reasons == (("repeated", 0),)
    new = person.tell(done(1_000, START + timedelta(days=201)))
    assert new is not None and "repeated" not in dict(new.reasons), "new content is not taken for a repeat"


def test_a_new_person_begins_at_the_prior_of_their_standing_and_the_best_known_counts() -> None:
    for standing, prior in PRIORS.items():
        head = Person([registration(standing)]).head
        assert (head.share, head.evidence, trust.uncertainty(head)) == (prior * 100, 0, 1_000)
    mail, identity = registration(Standing.MAIL), registration(Standing.IDENTITY)
    assert Person([mail, identity]).bytes == Person([identity, mail]).bytes


def test_one_upload_moves_trust_as_the_formula_says() -> None:
    r, s, prior, mass = 0.9 + 0.3, 0.1, 0.4, 2
    assert Person([done(quality=0.9)]).head.share == int(100_000 * (r + prior * mass) / (r + s + mass))


def test_evidence_halves_in_a_half_life_and_trust_returns_to_the_prior() -> None:
    person = Person(uploads(3, a_day=3))
    sums = Sums(sum(e.r * weight(e.at) for e in person.evidence), sum(e.s * weight(e.at) for e in person.evidence))
    now, later = score(400, sums, START), score(400, sums, START + HALF_LIFE)
    assert later.evidence == pytest.approx(now.evidence / 2, abs=2)
    assert score(400, sums, START + 40 * HALF_LIFE).share == 40_000


def test_weights_are_integers_made_of_integers() -> None:
    """Golden: the same on every machine, whatever its C library; and powers of two indeed."""
    assert [weight(EPOCH + n * HALF_LIFE) for n in range(3)] == [SCALE, 2 * SCALE, 4 * SCALE]
    assert weight(EPOCH + HALF_LIFE / 2) == 1_414_213_562
    assert weight(START) == GOLDEN_WEIGHT
    for seconds in (1, 86_399, 12_345_678, 830_000_001):
        at = EPOCH + timedelta(seconds=seconds)
        assert weight(at) == pytest.approx(SCALE * math.pow(2, (at - EPOCH) / HALF_LIFE), rel=1e-6)
    assert weight(datetime(1970, 1, 1, tzinfo=UTC)) >= 1, "nothing is divided by zero"


GOLDEN_WEIGHT = 7_643_709_864_389_810_010_980_352


def test_of_one_day_three_uploads_count_and_more_share_their_weight() -> None:
    three, ninety = Person(uploads(3, a_day=3)).head, Person(uploads(90, a_day=90)).head
    assert ninety.evidence == pytest.approx(three.evidence, abs=20)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.tier.name.lower())
def test_a_tier_is_reached_with_its_share_its_evidence_and_its_age_and_not_before(rule: Rule) -> None:
    person = Person(uploads(220))
    reached = [move for move in person.moves if LADDER.index(move.tier) >= LADDER.index(rule.tier)]
    before = [move for move in person.moves if LADDER.index(move.tier) < LADDER.index(rule.tier)]
    assert reached and before and reached[0].at > before[-1].at

    def has(move: trust.Move) -> bool:
        up_to = [e for e in person.evidence if e.at <= move.at]
        now = score(400, Sums(*(sum(getattr(e, side) * weight(e.at) for e in up_to) for side in "rs")), move.at)
        return fits(rule, now, move.at - START)

    assert has(reached[0]) and not any(map(has, before))


def test_the_ladder_asks_for_5_20_and_60_uploads_and_for_7_30_and_90_days() -> None:
    assert [(rule.tier, rule.evidence, rule.age.days) for rule in RULES] == [
        (Tier.SILVER, 5_000, 7),
        (Tier.GOLD, 20_000, 30),
        (Tier.PLATINUM, 60_000, 90),
    ]


def test_poor_uploads_reach_no_tier_however_many() -> None:
    assert Person(uploads(200, quality=0.3)).head.tier is Tier.BRONZE


def test_a_midnight_moves_the_tier_by_age_alone_and_once() -> None:
    person = Person(uploads(6))  # enough for silver on the third day
    assert person.head.tier is Tier.BRONZE
    reached = datetime(2026, 1, 9, tzinfo=UTC)  # the midnight after seven days
    assert person.tell(reached - timedelta(seconds=1)) is None
    change = person.tell(reached + timedelta(minutes=5))
    assert change is not None and change.tier is Tier.SILVER and {code for code, _ in change.reasons} <= {"time"}
    last = person.moves[-1]
    assert (last.at, last.id, last.tier) == (reached, "", Tier.SILVER)
    assert person.tell(reached + timedelta(days=1)) is None


def test_silence_of_years_costs_points_and_no_tier() -> None:
    person = Person(uploads(220))
    assert person.head.tier is Tier.PLATINUM
    later = START + timedelta(days=3_000)
    assert person.tell(later) is None
    change = person.tell(done(999, later))  # quality 1: nothing speaks against the person
    assert change is not None and change.tier is Tier.PLATINUM and change.new < 80_000


def test_a_tier_is_lost_by_evidence_against_alone() -> None:
    bad = uploads(400, quality=0.0, since=START + timedelta(days=111), first=1_000)
    person = Person(uploads(220) + bad)
    moves = person.moves
    steps = [(a, b) for a, b in pairwise(moves) if LADDER.index(b.tier) < LADDER.index(a.tier)]
    assert person.head.tier is Tier.BRONZE and steps
    assert all(down.id in {event.id for event in bad} for _, down in steps)


def test_what_is_missing_to_the_next_tier_is_said_and_nothing_at_the_top() -> None:
    missing = trust.missing(Person(uploads(2)).head)
    assert missing["days"] == pytest.approx(7, abs=0.01) and missing["evidence"] == pytest.approx(5 - 2.6, abs=0.01)
    assert missing["points"] >= 0
    assert trust.missing(Person(uploads(220)).head) == {}


def test_a_score_is_early_below_five_uploads_worth() -> None:
    assert trust.stage(Person(uploads(3)).head) == "early"
    assert trust.stage(Person(uploads(8)).head) == "settled"
