"""Sends dead letters back: the original bytes to the original topic and partition, and an event that says who did it.

Sending the same record twice changes no table: an event that was counted is a duplicate by its id. The audit event is
written after the record is stored, so a command that is killed in between leaves a letter that may be sent once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from config import Settings
from config.keys import keyed
from schemas import DeadLetterRedriven
from schemas.wire import encode
from topics import LETTERS
from topics.broker import producer
from topics.letters import DeadLetter

TOGETHER = 100  # letters that are on their way at once, at most
TURNS = 10  # a second, in which the rate is kept


class NotStored(Exception):
    """The broker did not store a record; the message says which, and how many were stored before."""


@dataclass
class Redrive:
    """`rate` in letters a second; `tell` is called with how many were sent back so far. All letters have an `original`."""

    settings: Settings
    by: str
    rate: float
    tell: Callable[[int], None] = lambda _: None
    done: int = 0

    def run(self, letters: Iterable[DeadLetter]) -> int:
        """How many were sent back. Raises NotStored."""
        client = Producer(producer(self.settings.kafka, "letters"))
        actor = keyed(self.settings, f"operator\0{self.by}".encode())
        began, waiting = time.monotonic(), iter(letters)
        while some := list(islice(waiting, max(1, min(TOGETHER, int(self.rate / TURNS))))):
            stored = _stored(client, some)
            _audited(client, [_event(letter, offset, actor) for letter, offset in stored.offsets])
            self.done += len(stored.offsets)
            self.tell(self.done)
            if stored.failed:
                raise NotStored(f"{stored.failed}; {self.done} were sent back before it, run it again for the others")
            time.sleep(max(0.0, began + self.done / self.rate - time.monotonic()))
        return self.done


@dataclass
class _Stored:
    offsets: list[tuple[DeadLetter, int]]
    failed: str = ""


def _stored(client: Producer, letters: list[DeadLetter]) -> _Stored:
    """Sends them and waits until the broker has them."""
    stored = _Stored([])

    def reported(letter: DeadLetter) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                stored.offsets.append((letter, message.offset() or 0))
            else:
                stored.failed = f"{letter.position} was not stored: {error.str()}"

        return report

    for letter in letters:
        assert letter.original is not None  # noqa: S101
        topic, partition, _ = letter.original
        headers: Any = letter.original_headers()
        try:
            client.produce(topic, letter.value, letter.key, partition, reported(letter), headers=headers)
        except KafkaException as refused:
            stored.failed = f"{letter.position} was not stored: {refused.args[0].str()}"
            break
    client.flush()
    return stored


def _audited(client: Producer, events: list[DeadLetterRedriven]) -> None:
    """Raises NotStored: the records are sent, and nobody would know."""
    failed: list[str] = []

    def report(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error.str())

    for event in events:
        record: Any = encode(event)
        client.produce(LETTERS.name, record.value, record.key, event.partition, report, headers=record.headers)
    client.flush()
    if failed:
        raise NotStored(f"{len(failed)} records were sent back, but the broker did not store the audit events "
                        f"({failed[0]}); sent again they will count as duplicates")  # fmt: skip


def _event(letter: DeadLetter, stored: int, actor: str) -> DeadLetterRedriven:
    """Its id is that of the letter and of where the record is now: a repeat of the event is a repeat."""
    original = letter.original
    assert original is not None  # noqa: S101
    return DeadLetterRedriven(
        id=f"{letter.position}>{stored}",
        source="soulfra/cli",
        time=datetime.now(UTC),
        user=f"p{letter.position.partition}",
        topic=letter.position.topic,
        partition=letter.position.partition,
        offset=letter.position.offset,
        original_topic=original.topic,
        original_partition=original.partition,
        original_offset=original.offset,
        stored_offset=stored,
        reason=letter.reason,
        failed_at=letter.at,
        times=letter.times + 1,
        actor=actor,
    )
