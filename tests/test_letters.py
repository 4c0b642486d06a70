"""Dead letters are found, shown and sent back: on the topic, partition and key they had, once, and with a witness."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from confluent_kafka import Message
from typer.testing import CliRunner

from cli import letters
from cli.errors import Failed
from config import settings
from config.keys import keyed, new_user
from schemas import DeadLetterRedriven
from schemas.wire import Record, decode, encode
from tests.conftest import System, eventually
from tests.log import produce, records, usage
from topics.place import partition_of

pytestmark = pytest.mark.kafka


def failed_letter(system: System, user: str, reason: str = "failed", **more: Any) -> str:
    """A letter of an event that a former release failed on; its position."""
    record = encode(usage(user, **more))
    partition = partition_of(record.key, 8)
    errors = {
        "exception": "KeyError",
        "message": "",
        "topic": "usage.recorded",
        "partition": str(partition),
        "offset": "7",
    }
    added = [(f"__streams.errors.{name}", text.encode()) for name, text in errors.items()]
    headers = [*record.headers, *added, ("soulfra.reason", reason.encode())]
    produce(system, "usage.recorded.dlq", Record(record.key, record.value, headers), partition)
    return position_of(found(system, "usage.recorded.dlq", record.key)[-1])


def found(system: System, topic: str, key: bytes) -> list[Message]:
    return [message for message in records(system, topic) if message.key() == key]


def position_of(message: Message) -> str:
    return f"{message.topic()}/{message.partition()}@{message.offset()}"


def headers_of(message: Message) -> dict[str, bytes]:
    return dict(message.headers() or [])  # type: ignore[arg-type]


def counted(system: System, user: str) -> dict[str, str]:
    with system.client(user=user) as client:
        return {one["meter"]: one["quantity"] for one in client.get("/v1/users/me/usage").json().get("meters", [])}


def audits(system: System, letter: str) -> list[DeadLetterRedriven]:
    events = [decode(m.key(), m.value(), m.headers()) for m in records(system, "letter.redriven")]  # type: ignore[arg-type]
    redriven = [event for event in events if isinstance(event, DeadLetterRedriven)]
    return [event for event in redriven if f"{event.topic}/{event.partition}@{event.offset}" == letter]


def listed(letter: str) -> dict[str, Any]:
    rows = json.loads(dlq("list", "--json", "--limit", "10000"))["letters"]
    return next(row for row in rows if row["position"] == letter)


@pytest.fixture(autouse=True)
def fresh_settings(system: System) -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


def dlq(*words: str) -> str:
    """What `soulfra dlq` prints, in this process: starting one for each would be most of the time."""
    app = typer.Typer()
    letters.register(app)
    app.command("other")(lambda: None)
    done = CliRunner().invoke(app, ["dlq", *words])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_dead_letter_is_sent_back_as_it_was_and_counts(system: System) -> None:
    user = new_user()
    letter = failed_letter(system, user)
    dlq("redrive", letter, "--yes", "--by", "ann")
    assert eventually(lambda: counted(system, user) == {"calls": "1"}), counted(system, user)
    [sent], [dead] = (
        found(system, topic, f"main/{user}".encode()) for topic in ("usage.recorded", "usage.recorded.dlq")
    )
    assert (sent.partition(), sent.value()) == (dead.partition(), dead.value())
    own = {name: value for name, value in headers_of(dead).items() if not name.startswith(("__streams.", "soulfra."))}
    assert headers_of(sent) == own | {"soulfra.redriven": f"{letter} 1".encode()}
    [audit] = audits(system, letter)
    assert (audit.original_topic, audit.original_offset, audit.reason, audit.times) == (
        "usage.recorded",
        7,
        "failed",
        1,
    )
    assert (audit.stored_offset, audit.actor) == (sent.offset(), keyed(system.settings, b"operator\0ann"))


def test_a_letter_is_sent_back_once_unless_it_is_wanted_again_and_then_it_is_a_duplicate(system: System) -> None:
    user = new_user()
    letter = failed_letter(system, user)
    for words in ((), (), ("--again",)):
        dlq("redrive", letter, "--yes", *words)
    assert len(found(system, "usage.recorded", f"main/{user}".encode())) == len(audits(system, letter)) == 2
    with system.client(user=user) as client:
        newest = position_of(found(system, "usage.recorded", f"main/{user}".encode())[-1])
        read = client.get("/v1/users/me/usage", params={"after": newest, "wait": "20s"}).json()
    assert read["meters"] == [{"meter": "calls", "quantity": "1", "events": 1}]
    assert listed(letter)["redriven"] is True


def test_a_record_that_fails_again_is_a_new_letter_that_knows_how_often(system: System) -> None:
    record = encode(usage(new_user()))._replace(value=b"\x09 not ours")
    produce(system, "usage.recorded", record)
    for times in (1, 2):
        assert eventually(lambda: len(found(system, "usage.recorded.dlq", record.key)) == times), times  # noqa: B023
        letter = position_of(found(system, "usage.recorded.dlq", record.key)[-1])
        dlq("redrive", letter, "--yes")
        assert [audit.times for audit in audits(system, letter)] == [times]
    assert eventually(lambda: len(found(system, "usage.recorded.dlq", record.key)) == 3)
    newest = found(system, "usage.recorded.dlq", record.key)[-1]
    assert newest.value() == record.value and json.loads(dlq("show", position_of(newest), "--json"))["times"] == 2


def test_a_topics_letters_are_chosen_by_reason_and_time_and_a_dry_run_sends_nothing(system: System) -> None:
    users = [new_user() for _ in range(3)]
    dead = [failed_letter(system, user, "refused") for user in users]
    since = listed(dead[0])["at"]
    words = ("redrive", "--topic", "usage.recorded", "--reason", "refused", "--since", since)
    planned = json.loads(dlq(*words, "--dry-run", "--json"))
    assert planned["chosen"] == 3 and planned["reasons"] == {"refused": 3}
    assert not any(audits(system, letter) for letter in dead)
    assert json.loads(dlq(*words, "--until", since, "--dry-run", "--json"))["chosen"] == 0
    dlq(*words, "--yes", "--rate", "50/s", "--limit", "2")
    assert json.loads(dlq(*words, "--dry-run", "--json")) == {
        "chosen": 1, "reasons": {"refused": 1}, "redriven_before": 2, "without_origin": 0, "more": False}  # fmt: skip
    dlq(*words, "--yes")
    assert eventually(lambda: all(counted(system, user) == {"calls": "1"} for user in users))


def test_letters_are_listed_with_their_reasons_and_shown_with_what_they_say(system: System) -> None:
    letter = failed_letter(system, new_user(), quantity="42")
    row = listed(letter)
    partition = letter.partition("/")[2].partition("@")[0]
    assert (row["original"], row["reason"], row["redriven"]) == (f"usage.recorded/{partition}@7", "failed", False)
    summary = json.loads(dlq("list", "--topic", "usage.recorded", "--limit", "1", "--json"))
    [topic] = summary["topics"]
    assert topic["letters"] == sum(topic["reasons"].values()) and topic["oldest"] <= row["at"] <= topic["newest"]
    assert len(summary["letters"]) == 1 and letter in dlq("list", "--reason", "failed", "--limit", "10000")
    shown = json.loads(dlq("show", letter, "--json"))
    assert shown["body"]["quantity"] == "42" and shown["headers"]["ce_type"] == "usage.recorded"
    assert letter in dlq("show", letter)


def test_a_letter_that_names_another_topic_than_its_own_is_not_sent(system: System) -> None:
    record = encode(usage(new_user()))
    stray = [*record.headers, ("__streams.errors.topic", b"trust.updated"), ("__streams.errors.partition", b"0"),
             ("__streams.errors.offset", b"0")]  # fmt: skip
    produce(system, "usage.recorded.dlq", Record(record.key, record.value, stray), 0)
    letter = position_of(found(system, "usage.recorded.dlq", record.key)[-1])
    assert "do not say where they were" in dlq("redrive", letter, "--yes")
    assert not audits(system, letter) and not found(system, "trust.updated", record.key)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "usage.recorded/3@1"], "no dead letter"),
        (["show", "usage.recorded.dlq/3@999999"], "there is no letter at"),
        (["redrive"], "--topic"),
        (["redrive", "--topic", "soul.sold"], "is no topic"),
        (["redrive", "--topic", "usage.recorded", "--rate", "0"], "--rate"),
        (["redrive", "--topic", "usage.recorded", "--since", "yesterday"], "is no time"),
        (["list", "--reason", "bored"], "is no reason"),
    ],
)
def test_what_cannot_be_done_says_what_to_write(system: System, words: list[str], says: str) -> None:
    with pytest.raises(Failed, match=says):
        dlq(*words)
