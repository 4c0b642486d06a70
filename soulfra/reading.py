"""One pass over an export, or over a half of a large one: what is counted and found on the way.

Where a large file is divided depends on the file alone, so its result does too, however many processes read it. Nothing is seen
together that reaches over the middle: an answer there may be behind its question.
"""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from soulfra.chat import Export, Message, Part, Skipped, formats, recognise_file
from soulfra.chat.archive import opened, small, unpacked
from soulfra.chat.message import ALL, Recognition, Span
from soulfra.insights import REDUCERS, Hearing
from soulfra.style import Style

DIVIDED = 8 * 1024 * 1024  # bytes from which on a file is read in halves
FIRST = 0.51  # of the bytes are in the first half: the result of the second one has to come from another process
PEOPLE = 10_000  # names counted; further ones are counted together
OTHERS = "(others)"

Progress = Callable[[float], None]  # the share that is read


class Piece(NamedTuple):
    """A stretch of a file, or of a member of a zip."""

    member: str
    size: int
    span: Span = ALL


class Plan(NamedTuple):
    """How an export is read: as what, and which pieces of it together, one after the other."""

    known: Recognition
    halves: tuple[tuple[Piece, ...], ...]

    @property
    def whole(self) -> Plan:
        """In one go."""
        members = {piece.member: Piece(piece.member, piece.size) for half in self.halves for piece in half}
        return Plan(self.known, (tuple(members.values()),))


class Counts:
    """The plain counts; `digests` are of the visible content of each conversation."""

    def __init__(self) -> None:
        self.messages = self.visible = 0
        self.people: dict[str, int] = {}
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.days: Counter[date] = Counter()
        self.digests: dict[str, bytes] = {}
        self._open: dict[str, hashlib._Hash] = {}

    def update(self, batch: Sequence[Message]) -> None:
        self.messages += len(batch)
        self._date([message.at for message in batch if message.at is not None])
        for conversation, talk in groupby(batch, key=attrgetter("conversation")):
            digest = self._open.get(conversation)
            if digest is None:
                digest = self._open[conversation] = hashlib.sha256()
            seen = [message for message in talk if message.visible]
            self.visible += len(seen)
            self.days.update(message.at.date() for message in seen if message.at is not None)
            self._count(Counter(message.speaker for message in seen))
            digest.update("".join(f"{message.speaker}\0{message.text}\0" for message in seen).encode())

    def _date(self, times: list[datetime]) -> None:
        if times:
            self.first = min(*times, self.first or times[0])
            self.last = max(*times, self.last or times[0])

    def _count(self, people: dict[str, int]) -> None:
        for name, n in people.items():
            known = name if name in self.people or len(self.people) < PEOPLE else OTHERS
            self.people[known] = self.people.get(known, 0) + n

    def close(self) -> None:
        """Nothing follows."""
        self.digests = {conversation: digest.digest() for conversation, digest in self._open.items()}
        self._open = {}

    def merge(self, other: Counts) -> None:
        self.messages, self.visible = self.messages + other.messages, self.visible + other.visible
        self._date([at for at in (other.first, other.last) if at is not None])
        self.days.update(other.days)
        self._count(other.people)
        for conversation, digest in other.digests.items():
            before = self.digests.get(conversation)
            self.digests[conversation] = hashlib.sha256(before + digest).digest() if before else digest


class Reading:
    """What one pass has found. Closed, it merges with that of the half behind it."""

    def __init__(self, owner: str = "") -> None:
        self.owner = owner
        self.names: dict[str, str] = {}
        self.zoned: bool | None = None  # whether the times have a zone
        self.skipped, self.counts, self.style, self.hearing = Skipped(), Counts(), Style(), Hearing()
        self.reducers = [reducer() for reducer in REDUCERS]

    def update(self, batch: Sequence[Message]) -> None:
        batch = self._of_one_kind(batch)
        self.counts.update(batch)
        self.owner = self.owner or owner_of(batch)
        heard = self.hearing.hear(batch)
        self.style.update(heard, self.owner)
        for reducer in self.reducers:
            reducer.update(heard)

    def _of_one_kind(self, batch: Sequence[Message]) -> Sequence[Message]:
        """With times that can be compared: the first one tells whether they have a zone; to the others it is given or taken."""
        kinds = {message.at.tzinfo is not None for message in batch if message.at is not None}
        if self.zoned is None and kinds:
            self.zoned = next(message.at.tzinfo is not None for message in batch if message.at is not None)
        if kinds <= {self.zoned}:
            return batch
        zone = UTC if self.zoned else None
        return [
            msgspec.structs.replace(message, at=message.at.replace(tzinfo=zone)) if message.at is not None else message
            for message in batch
        ]

    def close(self) -> None:
        """Nothing follows: it can be sent to another process."""
        self.counts.close()
        self.hearing.close()

    def agrees(self, other: Reading) -> bool:
        """Whether both took the same person for the owner, the same people for the same names, and times for the same."""
        zoned = self.zoned if other.zoned is None else other.zoned
        names = ((self.names[identity], name) for identity, name in other.names.items() if identity in self.names)
        return (self.owner, self.zoned) == (other.owner, zoned) and all(mine == theirs for mine, theirs in names)

    def merge(self, other: Reading) -> None:
        self.skipped.merge(other.skipped)
        self.counts.merge(other.counts)
        self.style.merge(other.style)
        self.hearing.merge(other.hearing)
        for mine, theirs in zip(self.reducers, other.reducers, strict=True):
            mine.merge(theirs)


def planned(file: Path, name: str, format: str | None, limit: int) -> Plan:
    """Tells the format, and divides a large file. Raises Unreadable."""
    known, members = recognise_file(file, name, limit, format)
    if members:
        with opened(file, limit) as archive:
            pieces = [Piece(member, archive.getinfo(member).file_size) for member in members]
    else:
        pieces = [Piece("", file.stat().st_size)]
    return Plan(known, _halves(pieces, getattr(formats()[known.format], "divides", False)))


def _halves(pieces: list[Piece], divides: bool) -> tuple[tuple[Piece, ...], ...]:
    """At the middle, or at the end of the piece in which it is where the format does not divide pieces."""
    all = sum(piece.size for piece in pieces)
    if all < DIVIDED:
        return (tuple(pieces),)
    left = int(all * FIRST)
    first, second = list[Piece](), list[Piece]()
    for piece in pieces:
        if left <= 0:
            second.append(piece)
        elif left < piece.size and divides:
            first.append(piece._replace(span=Span(0, left)))
            second.append(piece._replace(span=Span(left, ALL.end)))
        else:
            first.append(piece)
        left -= piece.size
    return (tuple(first), tuple(second)) if second else (tuple(first),)


def unseen(share: float) -> None:
    """Progress that nobody follows."""


def read(file: Path, plan: Plan, half: int, workspace: Path, limit: int, progress: Progress = unseen) -> Reading:
    """One half of a plan. `workspace` takes what is unpacked. Raises Unreadable."""
    export, owner = Export(_beside(file, limit)), ""
    if half:
        beginning = _batches(file, plan, 0, workspace, limit, Skipped(), export, unseen)
        owner = owner_of(next(beginning, []))
        beginning.close()
    reading = Reading(owner)
    with uncollected():
        for batch in _batches(file, plan, half, workspace, limit, reading.skipped, export, progress):
            reading.update(batch)
    reading.names = export.names.known
    reading.close()
    progress(1.0)
    return reading


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing that is read refers to itself, and it is a million small things: looking for circles would cost a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _batches(
    file: Path, plan: Plan, half: int, workspace: Path, limit: int, skipped: Skipped, export: Export, progress: Progress
) -> Generator[list[Message], None, None]:
    """The messages of the file, or of the members of a zip one after the other."""
    reading, pieces = formats()[plan.known.format], plan.halves[half]
    if not pieces[0].member:
        yield from reading.read(Part(file, "", export, pieces[0].span), skipped, _within(progress, 0, pieces[0], 1))
        return
    with opened(file, limit) as archive:
        for n, piece in enumerate(pieces):
            path = unpacked(archive, piece.member, workspace / f"member-{half}-{n}", limit)
            if path.stat().st_size:
                part = Part(path, piece.member, export, piece.span)
                yield from reading.read(part, skipped, _within(progress, n, piece, len(pieces)))
            else:
                skipped.add("an empty file in the zip", piece.member)
            path.unlink()


def _beside(file: Path, limit: int) -> Callable[[str], bytes | None]:
    """Reads other members of a zip."""

    def member(name: str) -> bytes | None:
        with opened(file, limit) as archive:
            return small(archive, name)

    return member


def _within(progress: Progress, n: int, piece: Piece, whole: int) -> Callable[[int], None]:
    """Bytes of the n-th of so many pieces, as a share of all."""
    begin, end = piece.span.begin, min(piece.span.end, piece.size)
    return lambda at: progress((n + (at - begin) / max(1, end - begin)) / whole)


def owner_of(batch: Sequence[Message]) -> str:
    """Whoever talks to an assistant; among people a guess: who writes most at the beginning."""
    if any(message.role == "assistant" for message in batch):
        return next((message.speaker for message in batch if message.role == "person" and message.visible), "")
    people = Counter(message.speaker for message in batch if message.visible)
    return max(people, key=lambda name: (people[name], name), default="")
