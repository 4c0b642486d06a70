"""WhatsApp's text export, of iOS (`[date, time] Name: text`) and Android (`date, time - Name: text`).

It names no zone, and writes dates as the phone does: the order of day and month is decided once for the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from soulfra.chat.message import Kind, Message, Part, Progress, Recognition, Skipped, Unreadable, batches, cleaned

MARKS = "\u200e\u200f\ufeff\u202a\u202c"
SPACE = r"[ \u00a0\u2009\u202f]"
DATE = r"(\d{4}|\d{1,2})([/.\-])(\d{1,2})\2(\d{4}|\d{1,2})\.?"
HALF = rf"(?:{SPACE}*([AaPp])\.?{SPACE}?[Mm]\.?|{SPACE}?(上午|下午|오전|오후))?"
TIME = rf"(?:klo )?(上午|下午|오전|오후)?{SPACE}?(\d{{1,2}})[:.](\d{{2}})(?:[:.](\d{{2}}))?{HALF}"
HEADERS = {
    "iOS": re.compile(rf"^\[{DATE},?{SPACE}+{TIME}\]{SPACE}?(.*)$", re.S),
    "Android": re.compile(rf"^{DATE},?{SPACE}+{TIME}{SPACE}-{SPACE}(.*)$", re.S),
}
NAME = re.compile(r"^([^:\n]{1,120}?):(?:[ \u200e]|(?=\S))(.*)$", re.S)
OMITTED = re.compile(
    r"^\u200e?(<(Media|Medien) (omitted|ausgeschlossen)>"
    r"|(image|video|audio|sticker|GIF|document|Contact card) omitted"
    r"|(Bild|Video|Audio|Sticker|Dokument) weggelassen|<attached: .*>|<Anhang: .*>|.* \((file attached|Datei angehängt)\))$",
    re.I,
)
DELETED = re.compile(r"^(This message was deleted|You deleted this message|Diese Nachricht wurde gelöscht)\.?$", re.I)
EDITED = re.compile(r"\s*\u200e?<This message was edited>$")
AFTERNOON, MORNING = {"p", "下午", "오후"}, {"a", "上午", "오전"}
BACK, AHEAD = timedelta(days=365), timedelta(days=5 * 365)  # a line that jumps further is no header but a paste
LINES, SHARE = 200, 0.6  # of the first lines, how many must be headers
Order = Literal["day", "month", "year"]


class Header(NamedTuple):
    """The numbers at the head of a line, not yet a date, and what follows."""

    first: int
    second: int
    third: int
    hour: int
    minute: int
    second_: int
    rest: str


class WhatsApp:
    """WhatsApp's «export chat», as text or in its zip."""

    name, title = "whatsapp", "WhatsApp"
    members = re.compile(r"(^|/)(_chat|WhatsApp[^/]*)\.txt$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        lines = [line for line in _decoded(head).splitlines() if line.strip()][:LINES]
        for phone, header in HEADERS.items():
            found = [bool(header.match(line.lstrip(MARKS))) for line in lines]
            if found and (sum(found) >= SHARE * len(found) or (found[0] and sum(found) >= min(3, len(found)))):
                share = sum(found) / len(found)
                return Recognition(
                    self.name,
                    min(0.99, 0.6 + share / 2),
                    f"{share:.0%} of its first lines begin as WhatsApp on {phone} writes them",
                )
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        phone, encoding = _template(part.path)
        order = _order(part.path, phone, encoding)
        return batches(_messages(part.path, phone, encoding, order, skipped, progress))


def _encoding(head: bytes) -> str:
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"


def _decoded(head: bytes) -> str:
    return head.decode(_encoding(head), errors="replace")


def _template(file: Path) -> tuple[str, str]:
    with file.open("rb") as opened:
        head = opened.read(65_536)
    lines = [line.lstrip(MARKS) for line in _decoded(head).splitlines()]
    counts = {phone: sum(bool(header.match(line)) for line in lines) for phone, header in HEADERS.items()}
    phone = max(counts, key=lambda name: counts[name])
    if not counts[phone]:
        raise Unreadable("no line begins with a date, a time and a name; export the chat again without media", "line 1")
    return phone, _encoding(head)


def _header(line: str, phone: str) -> Header | None:
    found = HEADERS[phone].match(line.lstrip(MARKS))
    if not found:
        return None
    a, _, b, c, before, hour, minute, second, letter, after, rest = found.groups()
    half = (letter or before or after or "").lower()
    hours = int(hour) % 12 + (12 if half in AFTERNOON else 0) if half in AFTERNOON | MORNING else int(hour)
    return Header(int(a), int(b), int(c), hours, int(minute), int(second or 0), rest)


def _order(file: Path, phone: str, encoding: str) -> Order:
    """Year first by its size; day or month first by what cannot be a month; else whichever goes back in time less.

    Most dates decide: a pasted line may hold another order, or no date at all.
    """
    dates = list(dict.fromkeys(header[:3] for _, line in _lines(file, encoding) if (header := _header(line, phone))))
    if 2 * sum(first > 31 for first, _, _ in dates) > len(dates):
        return "year"
    day = sum(12 < first <= 31 and second <= 12 for first, second, _ in dates)
    month = sum(12 < second <= 31 and first <= 12 for first, second, _ in dates)
    if day != month:
        return "day" if day > month else "month"
    back: dict[Order, int] = {order: _backward(dates, order) for order in ("day", "month")}
    return "month" if back["month"] < back["day"] else "day"


def _backward(dates: list[tuple[int, int, int]], order: Order) -> int:
    days = [at for date in dates if (at := _at(Header(*date, 0, 0, 0, ""), order))]
    return sum(later < earlier for earlier, later in pairwise(days))


def _at(header: Header, order: Order) -> datetime | None:
    a, b, c = header[:3]
    year, month, day = {"day": (c, b, a), "month": (c, a, b), "year": (a, b, c)}[order]
    try:
        return datetime(year + 2000 if year < 100 else year, month, day, header.hour, header.minute, header.second_)
    except ValueError:
        return None


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Each line with the byte at which it begins."""
    if encoding == "utf-8":
        at = 0
        with file.open("rb") as opened:
            for line in opened:
                yield at, line.decode(errors="replace").rstrip("\r\n")
                at += len(line)
        return
    at = 2  # behind the mark that names the byte order
    with file.open(encoding=encoding, errors="replace", newline="\n") as texts:
        for text in texts:
            yield at, text.rstrip("\r\n")
            at += len(text.encode("utf-16-le", errors="replace"))


def _messages(
    file: Path, phone: str, encoding: str, order: Order, skipped: Skipped, progress: Progress
) -> Iterator[Message]:
    """A header begins a message; what follows without one belongs to it."""
    open_: tuple[int, int, datetime, list[str]] | None = None
    last: datetime | None = None
    for number, (offset, line) in enumerate(_lines(file, encoding), 1):
        header = _header(line, phone)
        at = _at(header, order) if header else None
        if header and at and (last is None or -BACK <= at - last <= AHEAD):
            if open_:
                yield _message(*open_)
            open_, last = (number, offset, at, [header.rest]), at
        elif open_:
            open_[3].append(line)
        elif line.strip():
            skipped.add("a line before the first message", f"line {number}")
        if number % 5_000 == 0:
            progress(offset)
    if open_:
        yield _message(*open_)


def _message(number: int, offset: int, at: datetime, lines: list[str]) -> Message:
    said = "\n".join(lines)
    found = NAME.match(said)
    if not found or (found[2].startswith("\u200e") and not (OMITTED.match(found[2]) or _deleted(found[2]))):
        return Message("whatsapp", f"line {number}", "system", "system", at, cleaned(said), "system", False, "", offset)
    text = EDITED.sub("", found[2])
    kind: Kind = "media" if OMITTED.match(text.strip()) else "deleted" if _deleted(text) else "text"
    text = cleaned(text)
    name = cleaned(found[1]).removeprefix("~ ").strip()
    return Message(
        "whatsapp", f"line {number}", name, "person", at, text, kind, kind == "text" and bool(text), "", offset
    )


def _deleted(text: str) -> bool:
    return bool(DELETED.match(text.strip(MARKS + " ")))


FORMAT = WhatsApp()
