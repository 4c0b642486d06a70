"""Reads a chat once and says everything about it: counts, insights, style, personalities, quality."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec

from soulfra import persona
from soulfra.chat import Export, Message, Part, Skipped, Unreadable, formats, part_of, recognise_file
from soulfra.chat.archive import opened, small, unpacked
from soulfra.insights import REDUCERS, SHOWN, Hearing, Insight, Reader
from soulfra.insights.exposure import Exposure
from soulfra.style import Style

VERSION = 2  # of the analyser; results are stored under it
LIMIT = 100 * 1024 * 1024  # bytes of an upload
PEOPLE = 10_000  # names counted; further ones are counted together
FINGERPRINTS = 1_000
OTHERS = "(others)"
DAYS = 62  # from the first to the last, up to which activity is told by day


class Personality(msgspec.Struct, frozen=True):
    """A suggested personality and the features that decided for it: (name, the person's value, the profile's)."""

    id: str
    name: str
    summary: str
    prompt: str
    closeness: float
    because: tuple[tuple[str, float, float], ...]


class Passed(msgspec.Struct, frozen=True):
    """What was passed over while reading."""

    reason: str
    count: int
    example: str


class Analysis(msgspec.Struct, frozen=True):
    """The full result. It holds names and quotes, so it is stored privately; only numbers of it go to the log.

    `activity` counts the visible messages by day ("2026-03-02"), or by month where they span more than that many days.
    `fingerprints` are digests of each conversation's visible content: the same conversation in two exports has the same.
    """

    format: str
    recognised: str
    conversations: int
    messages: int
    visible: int
    participants: dict[str, int]
    first: str | None
    last: str | None
    timezone_known: bool
    language: str
    owner: str
    skipped: tuple[Passed, ...]
    insights: tuple[Insight, ...]
    style: dict[str, float]
    personas: tuple[Personality, ...]
    quality: float
    secrets: int
    fingerprints: tuple[str, ...]
    content: str
    activity: dict[str, int] = {}


class _Counts:
    """The plain counts."""

    def __init__(self) -> None:
        self.messages = self.visible = 0
        self.people: dict[str, int] = {}
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.days: Counter[date] = Counter()
        self.digests: dict[str, hashlib._Hash] = {}

    def update(self, batch: Sequence[Message]) -> None:
        self.messages += len(batch)
        times = [message.at for message in batch if message.at is not None]
        if times:
            self.first = min(*times, self.first or times[0])
            self.last = max(*times, self.last or times[0])
        for conversation, talk in groupby(batch, key=attrgetter("conversation")):
            digest = self.digests.get(conversation)
            if digest is None:
                digest = self.digests[conversation] = hashlib.sha256()
            seen = [message for message in talk if message.visible]
            self.visible += len(seen)
            self.days.update(message.at.date() for message in seen if message.at is not None)
            for name, n in Counter(message.speaker for message in seen).items():
                known = name if name in self.people or len(self.people) < PEOPLE else OTHERS
                self.people[known] = self.people.get(known, 0) + n
            digest.update("".join(f"{message.speaker}\0{message.text}\0" for message in seen).encode())


def analyse(
    file: Path,
    name: str = "",
    *,
    workspace: Path,
    format: str | None = None,
    limit: int = LIMIT,
    progress: Callable[[float], None] = lambda share: None,
) -> Analysis:
    """Analyses an export; the same bytes give the same result. `workspace` takes what is unpacked.

    Raises Unreadable with a sentence for whoever uploaded it.
    """
    known, members = recognise_file(file, name, limit, format)
    skipped, counts, style, hearing = Skipped(), _Counts(), Style(), Hearing()
    reducers = [reducer() for reducer in REDUCERS]
    owner = ""
    for batch in _batches(file, known.format, members, workspace, limit, skipped, progress):
        counts.update(batch)
        owner = owner or _owner(batch, counts.people)
        heard = hearing.hear(batch)
        style.update(heard, owner)
        for reducer in reducers:
            reducer.update(heard)
    if not counts.visible:
        raise Unreadable("the export holds no message that a person could see; export a chat that is not empty")
    reader = Reader(owner, hearing.shares, counts.last)
    language = (
        max(reader.languages, key=lambda code: (reader.languages[code], code)) if reader.understood else "unknown"
    )
    insights = [insight for reducer in reducers for insight in reducer.result(reader)]
    ranked = sorted(insights, key=lambda insight: (-insight.impact * insight.confidence, insight.id))
    vector = style.vector()
    digests = sorted({digest.hexdigest() for digest in counts.digests.values()})
    return Analysis(
        format=known.format,
        recognised=known.reason,
        conversations=len(counts.digests),
        messages=counts.messages,
        visible=counts.visible,
        participants=dict(sorted(counts.people.items(), key=lambda person: (-person[1], person[0]))),
        first=counts.first.isoformat() if counts.first else None,
        last=counts.last.isoformat() if counts.last else None,
        timezone_known=bool(counts.first and counts.first.tzinfo),
        language=language,
        owner=owner,
        skipped=tuple(Passed(reason, n, skipped.places[reason]) for reason, n in sorted(skipped.counts.items())),
        insights=tuple(ranked[:SHOWN]),
        style=vector,
        personas=tuple(_personalities(vector)),
        quality=_quality(counts, skipped, language),
        secrets=sum(reducer.total for reducer in reducers if isinstance(reducer, Exposure)),
        fingerprints=tuple(digests[:FINGERPRINTS]),
        content=hashlib.sha256("".join(digests).encode()).hexdigest(),
        activity=_activity(counts.days),
    )


def _activity(days: Counter[date]) -> dict[str, int]:
    """In order, the empty ones in between too."""
    if not days:
        return {}
    first, last = min(days), max(days)
    if (last - first).days <= DAYS:
        all = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return {f"{day}": days[day] for day in all}
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    told = {f"{month // 12:04}-{month % 12 + 1:02}": 0 for month in months}
    for day, n in days.items():
        told[f"{day.year:04}-{day.month:02}"] += n
    return told


def _batches(
    file: Path, format: str, members: list[str], workspace: Path, limit: int, skipped: Skipped,
    progress: Callable[[float], None],
) -> Iterator[list[Message]]:  # fmt: skip
    """The messages of the file, or of the members of a zip one after the other."""
    reading = formats()[format]
    if not members:
        yield from reading.read(part_of(file), skipped, _within(progress, 0, file.stat().st_size or 1, 1))
    else:
        with opened(file, limit) as archive:
            export = Export(lambda name: small(archive, name))
            for n, member in enumerate(members):
                path = unpacked(archive, member, workspace / f"member-{n}", limit)
                if size := path.stat().st_size:
                    part = Part(path, member, export)
                    yield from reading.read(part, skipped, _within(progress, n, size, len(members)))
                else:
                    skipped.add("an empty file in the zip", member)
                path.unlink()
    progress(1.0)


def _within(progress: Callable[[float], None], n: int, size: int, whole: int) -> Callable[[int], None]:
    """Bytes of the n-th of so many files, as a share of all."""
    return lambda at: progress((n + at / size) / whole)


def _owner(batch: Sequence[Message], people: dict[str, int]) -> str:
    """Whoever talks to an assistant; among people a guess: who writes most at the beginning."""
    if any(message.role == "assistant" for message in batch):
        return next((message.speaker for message in batch if message.role == "person" and message.visible), "")
    named = {name: n for name, n in people.items() if name != OTHERS}
    return max(named, key=lambda name: (named[name], name), default="")


def _quality(counts: _Counts, skipped: Skipped, language: str) -> float:
    """0.6 × the share that could be read, 0.2 for times and two speakers, 0.2 for a known language."""
    read = counts.messages / (counts.messages + skipped.total)
    structure = 0.5 * bool(counts.first) + 0.5 * (len(counts.people) > 1)
    return round(0.6 * read + 0.2 * structure + 0.2 * (language != "unknown"), 4)


def _personalities(style: dict[str, float]) -> Iterator[Personality]:
    for fit in persona.fits(style):
        known = persona.named(fit.persona)
        yield Personality(known.id, known.name, known.summary, known.prompt, fit.closeness, fit.because)


def encoded(analysis: Analysis) -> bytes:
    """The result as stored: the same analysis gives the same bytes."""
    return msgspec.json.encode(analysis)
