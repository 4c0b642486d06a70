"""Plain text: Signal's lines, IRC logs, and `Name: text`, whatever wrote them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from soulfra.chat.lines import text_of, texts
from soulfra.chat.message import Kind, Message, Part, Progress, Recognition, Skipped, Unreadable, batches, cleaned

LINES, SHARE = 200, 0.6  # of the first lines, how many must be of a kind
NAMES, TIMES = 2, 3  # without a clock: so many names that recur so often, or «Note: …» would be a person
CLOCK = r"(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)"
KINDS = {
    "signal": re.compile(r"^\[(?P<date>\d{4}-\d\d-\d\d),? (?P<clock>\d\d:\d\d)\] (?P<name>[^:\n]{1,80}): ?(?P<text>.*)$"),
    "irc": re.compile(rf"^\[?(?:(?P<date>\d{{4}}-\d\d-\d\d)[T ])?(?:\d{{1,2}} \w{{3}} )?{CLOCK}\]?\s+(?:<[@+%&~ ]?(?P<name>[^>!\s]{{1,64}})(?:![^>]*)?>\s?[+-]?(?P<text>.*)|\*\*?\*?\s+(?P<act>.*)|-(?:!-)?\s*(?P<note>.*))$"),
    "plain": re.compile(r"^(?P<name>[^\W\d_][^:\n<>/\\]{0,39}?)\s?: (?P<text>\S.*)$"),
}  # fmt: skip
TITLES = {"signal": "Signal", "irc": "IRC", "plain": "plain text"}


class Line(NamedTuple):
    """A line that begins a message."""

    name: str
    text: str
    at: datetime | None
    kind: Kind


class Plain:
    """One kind of text; three of them are registered."""

    def __init__(self, name: str) -> None:
        self.name, self.title = name, TITLES[name]
        self.members = re.compile(
            rf"(^|/){'signal' if name == 'signal' else 'irc' if name == 'irc' else 'chat'}[^/]*\.(txt|log)$", re.I
        )

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        lines = [line for line in text_of(head).lstrip("\ufeff").splitlines() if line.strip()][:LINES]
        found = [match for line in lines if (match := KINDS[self.name].match(line))]
        if self.name == "plain":
            names = Counter(match["name"] for match in found)
            if sum(times >= TIMES for times in names.values()) < NAMES:
                return None
        first = bool(lines) and KINDS[self.name].match(lines[0]) is not None
        if not found or not (len(found) >= SHARE * len(lines) or (first and self.name != "plain")):
            return None
        share = len(found) / len(lines)
        sure = {"signal": 0.77, "irc": 0.5, "plain": 0.3}[self.name] + share / 4
        return Recognition(
            self.name, round(min(0.995, sure), 3), f"{share:.0%} of its first lines read as {self.title} does"
        )

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        return batches(_messages(part, self.name, skipped, progress))


def _messages(part: Part, kind: str, skipped: Skipped, progress: Progress) -> Iterator[Message]:
    """A line that does not begin a message belongs to the one before."""
    open_: tuple[int, int, Line, list[str]] | None = None
    for number, (at, text) in enumerate(texts(part.path, progress), 1):
        line = _line(text.lstrip("\ufeff"), kind)
        if line is not None:
            if open_:
                yield _message(kind, *open_)
            open_ = (number, at, line, [line.text])
        elif open_:
            open_[3].append(text)
        else:
            skipped.add("a line before the first message", f"line {number}")
    if open_ is None:
        raise Unreadable(f"no line reads as {TITLES[kind]} does", "line 1")
    yield _message(kind, *open_)


def _line(text: str, kind: str) -> Line | None:
    found = KINDS[kind].match(text)
    if found is None:
        return None
    parts = found.groupdict()
    at = _at(parts.get("date"), parts.get("clock"))
    if (said := parts.get("act") or parts.get("note")) is not None and not parts.get("name"):
        return Line("system", said, at, "system")
    return Line(parts["name"] or "", parts["text"] or "", at, "text")


def _at(date: str | None, clock: str | None) -> datetime | None:
    """Local time; a clock without a date says nothing about when."""
    try:
        return datetime.fromisoformat(f"{date}T{(clock or '').zfill(5)}") if date else None
    except ValueError:
        return None


def _message(kind: str, number: int, offset: int, line: Line, lines: list[str]) -> Message:
    text = cleaned("\n".join(lines))
    what: Kind = line.kind if text or line.kind == "system" else "deleted"
    role = "system" if line.kind == "system" else "person"
    return Message(kind, f"line {number}", cleaned(line.name), role, line.at, text, what, what == "text", "", offset)  # type: ignore[arg-type]


SIGNAL, IRC, PLAIN = Plain("signal"), Plain("irc"), Plain("plain")
