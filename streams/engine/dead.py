"""Dead letters: the original bytes of a record that could not be taken, with the reason in Kafka's own header names."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
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


def size_of(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]] | None = None) -> int:
    """Bytes of a record."""
    named = sum(len(name) + len(content or b"") for name, content in headers or ())
    return len(key or b"") + len(value or b"") + named


def fitting(letter: Letter, limit: int) -> Letter:
    """The letter, without its value where that makes it larger than a record may be: its headers name the original."""
    if size_of(letter.key, letter.value, letter.headers) <= limit:
        return letter
    dropped = f"{len(letter.value or b'')} bytes, more than a record may have here; the original record has them"
    kept = [(name, content) for name, content in letter.headers if name != "__streams.errors.stacktrace"]
    return replace(letter, value=None, headers=[*kept, ("engine.value.dropped", dropped.encode())])


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
