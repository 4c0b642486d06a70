"""An insight and what it rests on."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import sqrt
from typing import Any, NamedTuple, Protocol, Self

import msgspec

from soulfra.chat.message import Message
from soulfra.private import masked
from soulfra.words import LANGUAGES, Language

UNDERSTOOD = 0.6  # share of remarks in known languages, from which on words count
LONG = 2_000  # characters after which a message is a text and no remark
QUOTE = 240  # characters
KEPT = 5  # pieces of evidence per insight
Z = 1.96  # of a 95 % interval


class Evidence(msgspec.Struct, frozen=True):
    """A message that shows it. `offset` is the byte of its record in the file."""

    message_id: str
    conversation: str
    speaker: str
    at: str
    quote: str
    offset: int


class Insight(msgspec.Struct, frozen=True):
    """One finding. `value` is in `unit`, over `n` observations; `confidence` is in [0, 1]. `worded`: a model said the statement."""

    id: str
    kind: str
    title: str
    statement: str
    value: float
    unit: str
    baseline: float | None
    n: int
    confidence: float
    impact: float
    evidence: tuple[Evidence, ...]
    method: str
    action: str
    caveats: tuple[str, ...] = ()
    worded: bool = False


# A message; of a person's remark in a known language the cues that its words have, with how sure each is, and the words that
# tell what it is about; and that language. A bare tuple: there is one for every message.
Heard = tuple[Message, Mapping[str, float], tuple[str, ...], Language | None]


class Portion(NamedTuple):
    """Messages in their order, and those that many look at: the visible ones, of these the people's, and of these the ones
    with cues and the ones that open a session."""

    all: list[Heard]
    seen: list[Heard]
    people: list[Heard]
    telling: list[Heard]
    opening: list[Message]


class Reader(NamedTuple):
    """For whom a report is: the uploader as the file shows them, and which share of the remarks is in which known language."""

    owner: str
    languages: Mapping[str, float]
    last: datetime | None

    @property
    def understood(self) -> bool:
        """Whether words can be counted on."""
        return sum(self.languages.values()) >= UNDERSTOOD

    def precision(self, cue: str) -> float:
        """Of a cue, over the languages of the chat."""
        known = sum(self.languages.values()) or 1.0
        told = (share * LANGUAGES[code].precision(cue) for code, share in self.languages.items())
        return round(sum(told) / known, 4)

    def caveat(self, cue: str) -> str:
        return f"found by its words: on labelled lines {self.precision(cue):.0%} of what they find is right"


class Reducer(Protocol):
    """Reads messages in their order and says what it found."""

    def update(self, portion: Portion) -> None: ...

    def merge(self, other: Self) -> None:
        """Adds what another one found in the following conversations."""

    def result(self, reader: Reader) -> list[Insight]: ...


class Best:
    """The most telling messages, by score; ties go to the earlier one, so that the same file gives the same ones."""

    def __init__(self, size: int = KEPT) -> None:
        self.size = size
        self._heap: list[tuple[float, int, str, int, Any]] = []
        self._seen = 0

    def add(self, score: float, message: Message) -> None:
        heap = self._heap
        full = len(heap) == self.size
        if full and score < heap[0][0]:
            return
        self._seen += 1  # shards may hold the same id at the same place
        entry = (score, -message.offset, message.id, -self._seen, message)
        if not full:
            heapq.heappush(heap, entry)
        elif entry[:3] > heap[0][:3]:
            heapq.heapreplace(heap, entry)

    def merge(self, other: Best) -> None:
        for entry in sorted(other._heap, key=lambda entry: entry[:4], reverse=True):
            self.add(entry[0], entry[4])

    def evidence(self) -> tuple[Evidence, ...]:
        return tuple(shown(entry[4]) for entry in sorted(self._heap, key=lambda entry: entry[:4], reverse=True))


def shown(message: Message) -> Evidence:
    at = message.at.isoformat() if message.at else ""
    return Evidence(message.id, message.conversation, message.speaker, at, quote(message.text), message.offset)


def quote(text: str) -> str:
    """The beginning of a message, private things masked."""
    hidden = masked(text)
    return hidden if len(hidden) <= QUOTE else hidden[: QUOTE - 1] + "…"


def share_confidence(hits: int, n: int) -> float:
    """Lower bound of the Wilson 95 % interval, as a part of the share itself (Wilson 1927)."""
    p = hits / n if n else 0.0
    if not p:
        return 0.0
    bound = (p + Z * Z / (2 * n) - Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))) / (1 + Z * Z / n)
    return round(max(0.0, bound) / p, 4)


def count_confidence(n: int) -> float:
    """For times and counts: half at 30 observations."""
    return round(n / (n + 30), 4)


def quantile(values: Iterable[float], q: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def percent(part: float) -> str:
    return f"{part:.0%}"
