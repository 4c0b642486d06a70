"""Trust on the real parts: analyses that end in any order, what was said last, and a history in pages."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from config.keys import new_user
from schemas import AnalysisDone, TrustUpdated
from schemas.wire import decode, encode
from tests.conftest import System
from tests.log import produce, records
from tests.test_trust import START, Person, done
from topics.place import partition_of

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
MONTHS = 5


@pytest.fixture(scope="module")
def events() -> list[AnalysisDone]:
    """120 analyses of one person over five months, as they end: in no order."""
    user = new_user()
    made = [
        done(n, START + timedelta(days=30 * MONTHS * n / 120)).model_copy(update={"user": user}) for n in range(120)
    ]
    return random.Random(5).sample(made, len(made))


@pytest.fixture(scope="module")
def position(system: System, events: list[AnalysisDone]) -> str:
    """Of the last of them."""
    for event in events:
        produce(system, "analysis.done", encode(event))
    number = partition_of(events[0].key, system.settings.kafka.partitions)
    mine = [one for one in records(system, "analysis.done") if one.key() == events[0].key.encode()]
    assert len(mine) == len(events)
    return f"analysis.done/{number}@{mine[-1].offset()}"


def test_what_was_said_last_of_trust_is_what_the_table_says(
    system: System, events: list[AnalysisDone], position: str
) -> None:
    with system.client(user=events[0].user) as client:
        trust = client.get("/v1/users/me/trust", params={"after": position, "wait": "10s"}).raise_for_status().json()
    mine = [one for one in records(system, "trust.updated") if one.key() == events[0].key.encode()]
    said = [decode(one.key(), one.value(), one.headers()) for one in mine]
    assert len(said) == len(events) and isinstance(last := said[-1], TrustUpdated)
    assert (last.new / 1000, last.tier.value) == (trust["points"], trust["tier"])
    assert {reason.code for one in said if isinstance(one, TrustUpdated) for reason in one.reasons} >= {"late"}
    truth = Person(sorted(events, key=lambda event: event.time)).head
    assert (trust["points"], trust["tier"]) == (truth.share / 1000, truth.tier.value)


def test_a_history_is_every_move_by_event_time_in_pages(
    system: System, events: list[AnalysisDone], position: str
) -> None:
    truth = Person(sorted(events, key=lambda event: event.time)).moves[::-1]
    with system.client(user=events[0].user) as client:
        query = {"after": position, "wait": "10s", "limit": "7"}
        pages = [client.get("/v1/users/me/trust/history", params=query).raise_for_status().json()]
        while cursor := pages[-1].get("next"):
            assert len(pages[-1]["moves"]) == 7
            pages.append(client.get("/v1/users/me/trust/history", params={"limit": 7, "cursor": cursor}).json())
        moves = [move for page in pages for move in page["moves"]]
        assert [(move["chat_id"], move["new"]) for move in moves] == [(m.chat_id or None, m.new / 1000) for m in truth]
        for wrong in ({"cursor": "nonsense"}, {"cursor": "WyJhIl0="}):
            answer = client.get("/v1/users/me/trust/history", params=wrong)
            assert answer.status_code == 400 and "next" in answer.json()["detail"]
        assert client.get("/v1/users/me/trust/history", params={"limit": 0}).status_code == 422
