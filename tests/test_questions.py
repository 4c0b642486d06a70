"""Admin requests that the client forgets: they are given up, and sent again."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.engine import client
from topics.broker import answers

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


def failing(code: int) -> Future[str]:
    answer: Future[str] = Future()
    answer.set_exception(KafkaException(KafkaError(code)))
    return answer


def test_one_that_timed_out_inside_the_client_is_put_again() -> None:
    yes: Future[str] = Future()
    yes.set_result("yes")
    futures = [failing(KafkaError._TIMED_OUT), failing(KafkaError._TIMED_OUT), yes]
    assert answers(lambda seconds: {seconds: futures.pop(0)}, 5.0) == {5.0: "yes"}


@pytest.mark.parametrize(("code", "times"), [(KafkaError._TIMED_OUT, 3), (KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)])
def test_one_that_is_refused_is_not_and_no_more_than_twice(code: int, times: int) -> None:
    limits: list[float] = []

    def question(seconds: float) -> dict[str, Future[Any]]:
        limits.append(seconds)
        return {"it": failing(code)}

    with pytest.raises(KafkaException):
        answers(question, 5.0)
    assert len(limits) == times


def test_a_client_that_forgot_one_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WITHIN", 0.01)
    monkeypatch.setattr(client, "GRACE", 0.01)
    cluster = client.Cluster(NOWHERE, "group")
    before = cluster._admin
    with pytest.raises(KafkaException, match="does not answer"):
        cluster._answers(lambda _: {"it": Future()})
    assert cluster._admin is not before
    before = cluster._admin
    with pytest.raises(KafkaException):
        cluster.ends([("topic", 0)])
    assert cluster._admin is not before
