"""Reads a chat once and says everything about it: counts, insights, style, personalities, quality."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec

from soulfra import persona
from soulfra.chat import Skipped, Unreadable
from soulfra.insights import SHOWN, Insight, Reader
from soulfra.insights.exposure import Exposure
from soulfra.reading import Counts, Plan, Progress, Reading, planned, read, unseen

VERSION = 4  # of the analyser; results are stored under it
LIMIT = 100 * 1024 * 1024  # bytes of an upload
FINGERPRINTS = 1_000
DAYS = 62  # from the first to the last, up to which activity is told by day

ReadHalves = Callable[[Path, Plan, Path, int, Progress], Sequence[Reading]]  # file, plan, workspace, limit, progress


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


def in_turn(file: Path, plan: Plan, workspace: Path, limit: int, progress: Progress) -> list[Reading]:
    """Reads one half after the other."""
    first = read(file, plan, 0, workspace, limit, lambda share: progress(share / 2))
    return [first, read(file, plan, 1, workspace, limit, lambda share: progress(0.5 + share / 2))]


def analyse(
    file: Path,
    name: str = "",
    *,
    workspace: Path,
    format: str | None = None,
    limit: int = LIMIT,
    progress: Progress = unseen,
    halves: ReadHalves = in_turn,
) -> Analysis:
    """Analyses an export; the same bytes give the same result. `workspace` takes what is unpacked.

    `halves` reads the two halves of a large file, for a caller that has another process to do it in. Raises Unreadable with a
    sentence for whoever uploaded it.
    """
    plan = planned(file, name, format, limit)
    if len(plan.halves) == 1:
        readings: Sequence[Reading] = [read(file, plan, 0, workspace, limit, progress)]
    else:
        readings = halves(file, plan, workspace, limit, progress)
    return concluded(plan, readings) or analyse_whole(file, plan, workspace=workspace, limit=limit)


def analyse_whole(file: Path, plan: Plan, *, workspace: Path, limit: int = LIMIT) -> Analysis:
    """In one go, where halves do not agree. Raises Unreadable."""
    found = concluded(plan, [read(file, plan.whole, 0, workspace, limit)])
    assert found is not None, "one reading agrees with itself"  # noqa: S101
    return found


def concluded(plan: Plan, readings: Sequence[Reading]) -> Analysis | None:
    """What the readings of all halves say together; None where they do not agree who is who. Raises Unreadable."""
    reading, *others = readings
    for other in others:
        if not reading.agrees(other):
            return None
        reading.merge(other)
    counts, skipped = reading.counts, reading.skipped
    if not counts.visible:
        raise Unreadable("the export holds no message that a person could see; export a chat that is not empty")
    reader = Reader(reading.owner, reading.hearing.shares, counts.last)
    language = (
        max(reader.languages, key=lambda code: (reader.languages[code], code)) if reader.understood else "unknown"
    )
    insights = [insight for reducer in reading.reducers for insight in reducer.result(reader)]
    ranked = sorted(insights, key=lambda insight: (-insight.impact * insight.confidence, insight.id))
    vector = reading.style.vector()
    digests = sorted({digest.hex() for digest in counts.digests.values()})
    return Analysis(
        format=plan.known.format,
        recognised=plan.known.reason,
        conversations=len(counts.digests),
        messages=counts.messages,
        visible=counts.visible,
        participants=dict(sorted(counts.people.items(), key=lambda person: (-person[1], person[0]))),
        first=counts.first.isoformat() if counts.first else None,
        last=counts.last.isoformat() if counts.last else None,
        timezone_known=bool(counts.first and counts.first.tzinfo),
        language=language,
        owner=reading.owner,
        skipped=tuple(Passed(reason, n, skipped.places[reason]) for reason, n in sorted(skipped.counts.items())),
        insights=tuple(ranked[:SHOWN]),
        style=vector,
        personas=tuple(_personalities(vector)),
        quality=_quality(counts, skipped, language),
        secrets=sum(reducer.total for reducer in reading.reducers if isinstance(reducer, Exposure)),
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


def _quality(counts: Counts, skipped: Skipped, language: str) -> float:
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
