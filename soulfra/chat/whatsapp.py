"""WhatsApp's text export, of iOS (`[date, time] Name: text`) and Android (`date, time - Name: text`).

It names no zone, and writes dates as the phone does: the order of day and month is decided once for the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

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
# What WhatsApp writes in the phone's language, in the place of what it leaves out or took back, or behind it.
BRACKETED = re.compile(r"<[^<>\n]{3,80}>")
ATTACHED = re.compile(r"[^\n/:]{1,120}\.\w{2,5} \([^()\n]{4,40}\)(?=\n|$)")
LEFT_OUT = re.compile(
    r"\b(omitted|attached|weggelassen|omitid[oa]s?|absente?|non incluse?|omis(?:e|es)?|ocultad[oa]s?|oculta|não revelad[oa]|omess[oaei]"
    r"|weggelaten|pominięt[oay]|utelämnad\w*|utelatt|udeladt|tidak disertakan|dahil edilmedi|опущен[оа]?|отсутствует)\b"
    r"|省略|忽略|含まれていません|생략|제외|استبعاد|לא נכלל|शामिल नहीं",
    re.I,
)
DELETED = frozenset(
    sentence.strip()
    for sentence in """
    this message was deleted | you deleted this message | this message was deleted by admin
    | diese nachricht wurde gelöscht | du hast diese nachricht gelöscht
    | se eliminó este mensaje | eliminaste este mensaje | este mensaje fue eliminado | este mensaje se eliminó
    | ce message a été supprimé | vous avez supprimé ce message | vous avez effacé ce message
    | mensagem apagada | essa mensagem foi apagada | esta mensagem foi apagada | você apagou esta mensagem | eliminou esta mensagem
    | questo messaggio è stato eliminato | hai eliminato questo messaggio
    | dit bericht is verwijderd | u hebt dit bericht verwijderd | je hebt dit bericht verwijderd
    | ta wiadomość została usunięta | usunąłeś tę wiadomość | bu mesaj silindi | bu mesajı sildiniz
    | данное сообщение удалено | вы удалили данное сообщение | pesan ini telah dihapus | pesan ini dihapus | anda menghapus pesan ini
    """.split("|")
)
EDITED = re.compile(r"(?<=[^\s\u200e])\s*\u200e<[^<>\n]{5,60}>$|\s*<This message was edited>$")
LONGEST = 60  # characters of a message that says that it was deleted
AFTERNOON, MORNING = {"p", "下午", "오후"}, {"a", "上午", "오전"}
BACK, AHEAD = timedelta(days=365), timedelta(days=5 * 365)  # a line that jumps further is no header but a paste
DATED = 11  # characters at the head of a line in which the date is
LINES, SHARE = 200, 0.6  # of the first lines, how many must be headers
Order = Literal["day", "month", "year"]


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
        header, encoding = _template(part.path)
        dates = Dates(_order(part.path, header, encoding))
        return batches(_messages(part, header, encoding, dates, skipped, progress))


class Dates(dict[tuple[str, str, str], date | None]):
    """By the three numbers at the head of a line: the day, in one order for the whole file; None where there is no such day."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def __missing__(self, numbers: tuple[str, str, str]) -> date | None:
        a, b, c = map(int, numbers)
        year, month, day = {"day": (c, b, a), "month": (c, a, b), "year": (a, b, c)}[self.order]
        try:
            found = date(year + 2000 if year < 100 else year, month, day)
        except ValueError:
            found = None
        self[numbers] = found
        return found


def _encoding(head: bytes) -> str:
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"


def _decoded(head: bytes) -> str:
    return head.decode(_encoding(head), errors="replace")


def _template(file: Path) -> tuple[re.Pattern[str], str]:
    """How the head of a line looks, and the encoding."""
    with file.open("rb") as opened:
        head = opened.read(65_536)
    lines = [line.lstrip(MARKS) for line in _decoded(head).splitlines()]
    counts = {phone: sum(bool(header.match(line)) for line in lines) for phone, header in HEADERS.items()}
    phone = max(counts, key=lambda name: counts[name])
    if not counts[phone]:
        raise Unreadable("no line begins with a date, a time and a name; export the chat again without media", "line 1")
    return HEADERS[phone], _encoding(head)


def _order(file: Path, header: re.Pattern[str], encoding: str) -> Order:
    """Year first by its size; day or month first by what cannot be a month; else whichever goes back in time less.

    Most dates decide: a pasted line may hold another order, or no date at all.
    """
    written = list(_dates(file, header, encoding))
    numbers = [tuple(map(int, date)) for date in written]
    if 2 * sum(first > 31 for first, _, _ in numbers) > len(numbers):
        return "year"
    day = sum(12 < first <= 31 and second <= 12 for first, second, _ in numbers)
    month = sum(12 < second <= 31 and first <= 12 for first, second, _ in numbers)
    if day != month:
        return "day" if day > month else "month"
    return "month" if _backward(written, "month") < _backward(written, "day") else "day"


def _dates(file: Path, header: re.Pattern[str], encoding: str) -> dict[tuple[str, str, str], None]:
    """The different dates in the heads of the lines, in their order."""
    begun, found = set[str](), dict[tuple[str, str, str], None]()
    for _, line in _lines(file, encoding):
        beginning = line[:DATED]
        if beginning not in begun and (head := header.match(line.lstrip(MARKS))):
            begun.add(beginning)
            found[head[1], head[3], head[4]] = None
    return found


def _backward(written: list[tuple[str, str, str]], order: Order) -> int:
    dates = Dates(order)
    days = [day for numbers in written if (day := dates[numbers])]
    return sum(later < earlier for earlier, later in pairwise(days))


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
    part: Part, header: re.Pattern[str], encoding: str, dates: Dates, skipped: Skipped, progress: Progress
) -> Iterator[Message]:
    """A header begins a message; what follows without one belongs to it."""
    begin, end = part.span
    open_: tuple[int, int, datetime, str] | None = None
    more: list[str] = []
    last: datetime | None = None
    names: dict[str, str] = {}
    for number, (offset, line) in enumerate(_lines(part.path, encoding), 1):
        if offset < begin:
            continue
        found = header.match(line.lstrip(MARKS) if line[:1] in MARKS else line)
        at = _at(found, dates) if found else None
        if found and at and (last is None or -BACK <= at - last <= AHEAD):
            if open_:
                yield _message(*open_, more, names)
            open_ = None
            if offset >= end:
                return
            open_, more, last = (number, offset, at, found[11]), [], at
        elif open_:
            more.append(line)
        elif line.strip() and not begin:
            skipped.add("a line before the first message", f"line {number}")
        if number % 5_000 == 0:
            progress(offset)
    if open_:
        yield _message(*open_, more, names)


def _at(head: re.Match[str], dates: Dates) -> datetime | None:
    a, _, b, c, before, hour, minute, second, letter, after, _ = head.groups()
    day = dates[a, b, c]
    if day is None:
        return None
    hours = int(hour)
    if half := (letter or before or after or "").lower():
        hours = hours % 12 + 12 * (half in AFTERNOON)
    try:
        return datetime(day.year, day.month, day.day, hours, int(minute), int(second or 0))
    except ValueError:
        return None


def _message(number: int, offset: int, at: datetime, said: str, more: list[str], names: dict[str, str]) -> Message:
    if more:
        said = "\n".join((said, *more))
    found = NAME.match(said)
    kind: Kind = "system"
    if found:
        kind, text = _told(found[2])
    if not found or kind == "system":
        return Message("whatsapp", f"line {number}", "system", "system", at, cleaned(said), "system", False, "", offset)
    name = names.get(found[1]) or names.setdefault(found[1], cleaned(found[1]).removeprefix("~ ").strip())
    return Message(
        "whatsapp", f"line {number}", name, "person", at, text, kind, kind == "text" and bool(text), "", offset
    )


def _told(said: str) -> tuple[Kind, str]:
    """What behind a name is told by WhatsApp itself, and what is left of it."""
    marked = said.startswith("\u200e")
    if marked or "<" in said or said.endswith(")") or len(said) < LONGEST:
        said = EDITED.sub("", said)
        plain = cleaned(said)
        if plain.lower().rstrip(".") in DELETED:
            return "deleted", plain
        if BRACKETED.fullmatch(plain) or (marked and LEFT_OUT.search(plain.partition("\n")[0])):
            return "media", plain
        if attached := ATTACHED.match(plain):
            caption = plain[attached.end() :].strip()
            return ("text", caption) if caption else ("media", plain)
        return "system" if marked else "text", plain
    return "text", cleaned(said)


FORMAT = WhatsApp()
