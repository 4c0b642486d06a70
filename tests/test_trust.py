"""What trust promises: the order of evidence does not matter, every move is explained, and silence costs no tier."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
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
from soulfra.trust import LADDER, RULES, TrustRow

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


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


def grown(events: list[AnalysisDone], row: TrustRow | None = None) -> TrustRow:
    for event in events:
        row = trust.after(row, event)
    assert row is not None
    return row


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


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, seed=st.integers(0, 1000))
def test_evidence_in_any_order_gives_the_same_bytes(events: list[AnalysisDone], seed: int) -> None:
    shuffled = random.Random(seed).sample(events, len(events))
    one, other = grown(events), grown(shuffled)
    assert msgspec.json.encode(one) == msgspec.json.encode(other)
    assert list(trust.moves(one)) == list(trust.moves(other))


@settings(max_examples=60, deadline=None)
@given(events=EVENTS)
def test_the_parts_of_each_move_add_up_to_it_and_moves_follow_on_each_other(events: list[AnalysisDone]) -> None:
    row = grown(events)
    old = row.prior * 100
    for move in trust.moves(row):
        assert move.old == old
        assert sum(reason.points for reason in move.reasons) == move.new - move.old
        assert 0 <= move.new <= 100_000
        old = move.new
    newest = max(one.at for one in row.evidence.values())
    assert old == trust.score(row, newest).share


def test_the_same_content_again_gives_nothing_and_says_so() -> None:
    row = grown(uploads(3))
    again = done(99, START + timedelta(days=9), content=f"{1:032x}")
    assert trust.after(row, again) == row
    move = trust.unmoved(row, again)
    assert move.old == move.new and [(reason.code, reason.points) for reason in move.reasons] == [("repeated", 0)]


def test_of_the_same_content_the_earliest_counts() -> None:
    early, late = done(1, START, 0.2, "a" * 32), done(2, START + timedelta(days=1), 1.0, "a" * 32)
    assert grown([late, early]) == grown([early, late]) == grown([early])


def test_a_new_person_begins_at_the_prior_of_their_standing_and_the_best_known_counts() -> None:
    def arrives(standing: Standing, row: TrustRow | None = None) -> TrustRow:
        return trust.registered(row, UserRegistered(id="r", source="soulfra", time=START, user="u", standing=standing))

    for standing, prior in trust.PRIORS.items():
        assert trust.score(arrives(standing), START) == (prior * 100, 0, 1_000)
    assert arrives(Standing.MAIL, arrives(Standing.IDENTITY)) == arrives(Standing.IDENTITY, arrives(Standing.MAIL))


def test_one_upload_moves_trust_as_the_formula_says() -> None:
    row = grown([done(quality=0.9)])
    r, s, prior, weight = 0.9 + 0.3, 0.1, 0.4, 2
    assert trust.score(row, START).share == int(100_000 * (r + prior * weight) / (r + s + weight))


def test_evidence_halves_in_a_half_life_and_trust_returns_to_the_prior() -> None:
    row = grown(uploads(3, a_day=3))
    now, later = trust.score(row, START), trust.score(row, START + trust.HALF_LIFE)
    assert later.evidence == pytest.approx(now.evidence / 2, abs=2)
    assert trust.score(row, START + 40 * trust.HALF_LIFE).share == row.prior * 100


def test_of_one_day_three_uploads_count_and_more_share_their_weight() -> None:
    three, ninety = grown(uploads(3, a_day=3)), grown(uploads(90, a_day=90))
    at = START + timedelta(hours=12)
    assert trust.score(ninety, at).evidence == pytest.approx(trust.score(three, at).evidence, abs=20)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.tier.name.lower())
def test_a_tier_is_reached_with_its_share_its_evidence_and_its_age_and_not_before(rule: trust.Rule) -> None:
    row = grown(uploads(220))
    reached = [move for move in trust.moves(row) if LADDER.index(move.tier) >= LADDER.index(rule.tier)]
    before = [move for move in trust.moves(row) if LADDER.index(move.tier) < LADDER.index(rule.tier)]
    assert reached and before and reached[0].at > before[-1].at

    def has(move: trust.Move) -> bool:
        upto = msgspec.structs.replace(row, evidence={k: e for k, e in row.evidence.items() if e.at <= move.at})
        now = trust.score(upto, move.at)
        return now.share >= rule.enter * 100 and now.evidence >= rule.evidence and move.at - START >= rule.age

    assert has(reached[0]) and not any(map(has, before))


def test_the_ladder_asks_for_5_20_and_60_uploads_and_for_7_30_and_90_days() -> None:
    assert [(rule.tier, rule.evidence, rule.age.days) for rule in RULES] == [
        (Tier.SILVER, 5_000, 7),
        (Tier.GOLD, 20_000, 30),
        (Tier.PLATINUM, 60_000, 90),
    ]


def test_poor_uploads_reach_no_tier_however_many() -> None:
    assert trust.tier(grown(uploads(200, quality=0.3))) is Tier.BRONZE


def test_a_midnight_moves_the_tier_by_age_alone() -> None:
    row = grown(uploads(6))  # enough for silver on the third day
    assert trust.tier(row) is Tier.BRONZE
    reached = datetime(2026, 1, 9, tzinfo=UTC)  # the midnight after seven days
    assert trust.aged(row, reached - timedelta(seconds=1)) is None
    older = trust.aged(row, reached + timedelta(minutes=5))
    assert older is not None and older.until == reached and trust.tier(older) is Tier.SILVER
    last = trust.history(older)[0]
    assert (last.at, last.id, last.tier) == (reached, "", Tier.SILVER)
    assert {reason.code for reason in last.reasons} <= {"time"}
    assert trust.aged(older, reached + timedelta(days=1)) is None


def test_silence_of_years_costs_points_and_no_tier() -> None:
    row = grown(uploads(220))
    held = trust.tier(row)
    assert held is Tier.PLATINUM
    later = START + timedelta(days=3_000)
    assert trust.aged(row, later) is None
    assert trust.score(row, later).share < RULES[0].leave * 100
    flawless = trust.after(row, done(999, later))  # quality 1: nothing speaks against the person
    assert trust.tier(flawless) is held


def test_a_tier_is_lost_by_evidence_against_alone() -> None:
    row = grown(uploads(220))
    end = START + timedelta(days=111)
    bad = uploads(400, quality=0.0, since=end, first=1_000)
    fallen = list(trust.moves(grown(bad, row)))
    steps = [(a, b) for a, b in pairwise(fallen) if LADDER.index(b.tier) < LADDER.index(a.tier)]
    assert trust.tier(grown(bad, row)) is Tier.BRONZE and steps
    assert all(down.id in {event.id for event in bad} for _, down in steps)


def test_what_is_missing_to_the_next_tier_is_said_and_nothing_at_the_top() -> None:
    row = grown(uploads(2))
    missing = trust.missing(row, START)
    assert missing["days"] == 7 and missing["evidence"] == pytest.approx(5 - 2.6, abs=0.01) and missing["points"] >= 0
    assert trust.missing(grown(uploads(220)), START + timedelta(days=111)) == {}


def test_the_history_shows_the_newest_moves_first_and_not_more_than_a_page() -> None:
    shown = trust.history(grown(uploads(250)))
    assert len(shown) == trust.HISTORY
    assert shown[0].at == max(move.at for move in shown) and shown[0].at > shown[-1].at


def test_a_score_is_early_below_five_uploads_worth() -> None:
    assert trust.stage(trust.score(grown(uploads(3)), START + timedelta(days=2))) == "early"
    assert trust.stage(trust.score(grown(uploads(8)), START + timedelta(days=4))) == "settled"
