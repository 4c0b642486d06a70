"""Events on which an agent fails leave no trace but a dead letter; too many of them end the process."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message

from streams.engine.dead import Letter, Refused, fitting
from streams.engine.options import Options
from streams.engine.shard import Cursor, Shadow
from streams.engine.work import Stopped, Work

RECENT = 1_000  # events over which failures are counted


class Failures:
    def __init__(self, work: Work, options: Options) -> None:
        self.work, self.options = work, options
        self._failed: list[int] = []  # numbers of the events, over all streams

    def undo(self, cursor: Cursor, why: Exception) -> None:
        """Takes back the events in hand, and goes behind them. Raises Stopped after too many."""
        batch, shard = cursor.batch, cursor.shard
        if batch.dropped:  # it is read again, here or elsewhere
            return
        for sent in shard.undo(cursor.number):
            if sent is not None:
                sent.failed(why)
        first = cursor.number - cursor.base
        for message in batch.messages[first : first + cursor.taken]:
            dead = self.options.dead_letter(_letter(message, why))
            if dead is not None and not isinstance(shard, Shadow):
                dead = fitting(dead, self.options.record_bytes)
                shard.outputs.append(
                    (cursor.number, dead.topic, dead.key, dead.value, dead.partition, 0, dead.headers, None)
                )
        cursor.number += cursor.taken
        cursor.taken = 1
        if not isinstance(why, Refused):
            self._count(why)

    def _count(self, why: Exception) -> None:
        options, now = self.options, self.work.counted()
        self._failed = [event for event in self._failed if event > now - RECENT] + [now]
        row = self._failed[-options.failures_in_a_row :]
        if len(row) == options.failures_in_a_row and row[-1] - row[0] < options.failures_in_a_row:
            raise Stopped(f"{len(row)} events in a row failed in an agent's own code, the last with {why!r}")
        if len(self._failed) > max(options.failures_in_a_row, options.failures_share * RECENT):
            raise Stopped(
                f"{len(self._failed)} of the last 1,000 events failed in an agent's own code, the last with {why!r}"
            )


def _letter(message: Message, why: BaseException) -> Letter:
    given: Any = message.headers() or []
    headers = [(name, value or b"") for name, value in given]
    return Letter(message.topic(), message.partition(), message.offset(), message.key(), message.value(), headers, why)  # type: ignore[arg-type]
