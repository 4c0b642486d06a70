"""Dead letters: the original bytes of a record that could not be taken, with the reason in Kafka's own header names."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace

Headers = list[tuple[str, bytes]]


class Refused(Exception):
    """An event is well formed or not, but cannot be taken; the message says why.

    Raised by an agent it dead-letters the event and counts as no failure of the agent's own code.
    """


@dataclass(frozen=True)
class Letter:
    """A record on its way to a dead-letter topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    why: BaseException


def letter(failed: Letter) -> Letter:
    """To `<topic>.dlq`, same partition, original bytes; header names of KIP-1034."""
    told = {
        "__streams.errors.exception": type(failed.why).__name__,
        "__streams.errors.message": str(failed.why),
        "__streams.errors.stacktrace": "".join(traceback.format_tb(failed.why.__traceback__)),
        "__streams.errors.topic": failed.topic,
        "__streams.errors.partition": str(failed.partition),
        "__streams.errors.offset": str(failed.offset),
    }
    added = [(name, value.encode()) for name, value in told.items()]
    return replace(failed, topic=f"{failed.topic}.dlq", headers=[*failed.headers, *added])
