"""The one record that every format is read into, and what can go wrong while reading."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from soulfra.compiled import quick

Role = Literal["person", "assistant", "system", "tool"]
Kind = Literal["text", "media", "system", "tool", "reasoning", "deleted"]
BATCH = 500  # messages handed on at a time
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udfff]")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message. `at` is aware (UTC) where the export has a zone and naive (local) where it has none.

    `offset` is the byte at which its record begins in the file that holds it; `visible` means that a person sees it:
    on the active branch, not empty, neither system nor tool nor hidden.
    """

    conversation: str
    id: str
    speaker: str
    role: Role
    at: datetime | None
    text: str
    kind: Kind
    visible: bool
    reply_to: str
    offset: int


class Unreadable(Exception):
    """The file is no chat that can be read; `reason` says what to do, `place` where it was seen."""

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(f"{reason} ({place})" if place else reason)
        self.reason, self.place = reason, place


class Recognition(NamedTuple):
    """Which format a file has, how sure that is in [0, 1], and why."""

    format: str
    confidence: float
    reason: str


class Skipped:
    """What was passed over while reading, counted by reason, with the first place of each."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.places: dict[str, str] = {}

    def add(self, reason: str, place: str = "") -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.places.setdefault(reason, place)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def merge(self, other: Skipped) -> None:
        """Adds what was passed over behind it."""
        for reason, n in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + n
            self.places.setdefault(reason, other.places[reason])


Progress = Callable[[int], None]  # bytes read so far


class Names:
    """Who is who: one name for each identity, however it is written later, and no name for two of them."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}  # by identity
        self._taken: dict[str, int] = {}

    def of(self, identity: str, name: str) -> str:
        """The name of an identity; a second person of the same name gets a number."""
        if (known := self.known.get(identity)) is not None:
            return known
        clean = cleaned(name) or identity
        times = self._taken[clean] = self._taken.get(clean, 0) + 1
        self.known[identity] = given = clean if times == 1 else f"{clean} ({times})"
        return given


class Export:
    """What belongs together: one file, or the members of a zip. `names` are remembered over all its parts."""

    def __init__(self, beside: Callable[[str], bytes | None] = lambda name: None) -> None:
        self.names = Names()
        self.memo: dict[Any, Any] = {}  # what a format wants to know again at the next part
        self._beside = beside
        self._read: dict[str, Any] = {}

    def beside(self, name: str) -> Any:
        """Another member of the zip, read as JSON; None when it is not there or no JSON."""
        if name not in self._read:
            try:
                self._read[name] = msgspec.json.decode(self._beside(name) or b"null")
            except msgspec.DecodeError:
                self._read[name] = None
        return self._read[name]


class Span(NamedTuple):
    """The bytes of a file in which records that are wanted begin."""

    begin: int
    end: int


ALL = Span(0, sys.maxsize)


class Part(NamedTuple):
    """A file to read: where it lies now, what it is called in its zip, what it belongs to, and which stretch of it is wanted."""

    path: Path
    name: str
    export: Export
    span: Span = ALL


def part_of(file: Path) -> Part:
    """A file that stands alone."""
    return Part(file, "", Export())


class Format(Protocol):
    """One kind of export. A package adds its own by the entry point group `soulfra.formats`.

    One that has `divides = True` reads only the records that begin in a part's span: large files are then read in two halves.
    """

    name: str
    title: str
    members: re.Pattern[str]  # names in a zip that hold its messages

    def recognises(self, head: bytes, name: str) -> Recognition | None: ...

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]: ...


def _cleaned(text: str) -> str:
    """The text without control characters, direction marks and lone surrogates."""
    return CONTROL.sub("", text).strip()


cleaned: Callable[[str], str] = quick.clean if quick else _cleaned


def kind_of(text: str, media: bool = False, spoken: bool = True) -> Kind:
    """Of a message of people: what nobody spoke is the system's; without text and media it was deleted."""
    return "system" if not spoken else "text" if text else "media" if media else "deleted"


def utc_of(text: str | None) -> datetime | None:
    """ISO 8601 in UTC, which the text may leave unsaid; None where it is no time."""
    try:
        at = datetime.fromisoformat(text or "")
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def batches(messages: Iterator[Message]) -> Iterator[list[Message]]:
    """Messages in lists."""
    while batch := list(islice(messages, BATCH)):
        yield batch
