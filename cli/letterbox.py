"""What `soulfra dlq` counts and says about dead letters while it reads them once."""

from __future__ import annotations

import heapq
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

from topics.letters import DeadLetter, Redriven, Selection
from topics.place import Position

SPEAKS_AFTER = 1.0  # seconds until progress is shown, and between two lines of it


class Entry(NamedTuple):
    """What is listed of one letter; the newest is the greatest."""

    at: datetime
    position: Position
    original: Position | None
    reason: str


@dataclass
class Count:
    """The letters of one topic."""

    oldest: datetime
    newest: datetime
    reasons: Counter[str] = field(default_factory=Counter)


class Summary:
    """Counts every letter, and keeps the newest few."""

    def __init__(self, limit: int) -> None:
        self.counts: dict[str, Count] = {}
        self._limit, self._newest = limit, list[Entry]()

    def add(self, letter: DeadLetter) -> None:
        count = self.counts.setdefault(letter.position.topic, Count(letter.at, letter.at))
        count.oldest, count.newest = min(count.oldest, letter.at), max(count.newest, letter.at)
        count.reasons[letter.reason] += 1
        heapq.heappush(self._newest, Entry(letter.at, letter.position, letter.original, letter.reason))
        if len(self._newest) > self._limit:
            heapq.heappop(self._newest)

    @property
    def newest(self) -> list[Entry]:
        return sorted(self._newest, reverse=True)

    def fields(self, before: Redriven) -> dict[str, Any]:
        return {
            "topics": [
                {
                    "topic": topic,
                    "letters": count.reasons.total(),
                    "reasons": dict(sorted(count.reasons.items())),
                    "oldest": count.oldest.isoformat(),
                    "newest": count.newest.isoformat(),
                }
                for topic, count in self.counts.items()
            ],
            "letters": [
                {
                    "position": str(entry.position),
                    "original": str(entry.original) if entry.original else None,
                    "reason": entry.reason,
                    "at": entry.at.isoformat(),
                    "redriven": entry.position in before,
                }
                for entry in self.newest
            ],
        }

    def text(self, before: Redriven) -> str:
        if not self.counts:
            return "there are no dead letters"
        lines = [f"{'topic':<24} {'letters':>8}  {'oldest':<20} {'newest':<20} reasons"]
        for topic, count in self.counts.items():
            reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(count.reasons.items()))
            lines.append(
                f"{topic:<24} {count.reasons.total():>8}  {_when(count.oldest):<20} {_when(count.newest):<20} {reasons}"
            )
        lines += ["", f"{'letter':<32} {'was at':<28} {'reason':<10} {'time':<20}"]
        for entry in self.newest:
            sent = "sent back" if entry.position in before else ""
            was = str(entry.original or "unknown")
            lines.append(f"{entry.position!s:<32} {was:<28} {entry.reason:<10} {_when(entry.at):<20} {sent}".rstrip())
        return "\n".join(lines)


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Planned:
    """What a redrive would do."""

    chosen: int = 0
    before: int = 0  # were sent back already
    homeless: int = 0  # do not say where they were
    more: bool = False  # match too, and are left for another time
    reasons: Counter[str] = field(default_factory=Counter)

    def fields(self) -> dict[str, Any]:
        return {
            "chosen": self.chosen,
            "reasons": dict(sorted(self.reasons.items())),
            "redriven_before": self.before,
            "without_origin": self.homeless,
            "more": self.more,
        }

    def text(self, verb: str) -> str:
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(self.reasons.items()))
        parts = [f"{self.chosen} letters {verb}" + (f" ({reasons})" if reasons else "")]
        if self.before:
            parts.append(f"{self.before} were sent back before (--again sends them once more)")
        if self.homeless:
            parts.append(f"{self.homeless} do not say where they were, and stay")
        if self.more:
            parts.append("more match than --limit allows: run it again for those")
        return "; ".join(parts)


@dataclass
class Choice:
    """Which letters are sent back; `before` are those that were, or None where that does not matter."""

    selection: Selection
    before: Redriven | None
    limit: int

    def counted(self, letters: Iterable[DeadLetter]) -> Planned:
        planned = Planned()
        for letter in letters:
            if letter not in self.selection:
                continue
            if self.before is not None and letter.position in self.before:
                planned.before += 1
            elif letter.original is None:
                planned.homeless += 1
            elif planned.chosen == self.limit:
                planned.more = True
            else:
                planned.chosen += 1
                planned.reasons[letter.reason] += 1
        return planned

    def chosen(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        return islice((letter for letter in letters if self._sends(letter)), self.limit)

    def _sends(self, letter: DeadLetter) -> bool:
        sent = self.before is not None and letter.position in self.before
        return letter in self.selection and letter.original is not None and not sent


class Progress:
    """A line on stderr, once it takes longer than a moment."""

    def __init__(self, total: int) -> None:
        self._total, self._spoke, self._shown = total, time.monotonic(), False

    def tell(self, done: int) -> None:
        if time.monotonic() - self._spoke > SPEAKS_AFTER:
            self._spoke, self._shown = time.monotonic(), True
            print(f"\r{done} of {self._total} letters sent back", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print(file=sys.stderr)
