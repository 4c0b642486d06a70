"""An event that this process cannot work on yet stops its partition, and no other."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from streams.engine.recovery import Place
from streams.engine.shard import Cursor

log = logging.getLogger("engine")


class Unready(Exception):
    """This process cannot work on an event yet, and a newer one can; the message says why.

    Raised by an agent it leaves no trace of the event and stops its partition in front of it, until the partition is
    taken over anew: by a restarted process or by another one.
    """


class Halt(NamedTuple):
    """Where a partition stopped, and why."""

    offset: int
    why: str

    def sentence(self, place: Place) -> str:
        return f"{place[0]}/{place[1]} is paused at offset {self.offset}: {self.why}"


def halt(consumer: Any, cursor: Cursor, why: Unready) -> None:
    """Takes the events in hand back and stops in front of the first of them."""
    batch = cursor.batch
    if batch.dropped:  # it is read again, here or elsewhere
        return
    for sent in cursor.shard.undo(cursor.number):
        if sent is not None:
            sent.failed(why)
    lane, offset = batch.lane, batch.messages[cursor.number - cursor.base].offset()
    halted = Halt(offset, str(why))
    log.error("%s", halted.sentence(lane.place))
    if batch.shared:
        consumer.ownership.replay(lane.place, halted)
    else:
        consumer.delivery.halt(batch, halted)
