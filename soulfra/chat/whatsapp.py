"""WhatsApp's text export, of iOS (`[date, time] Name: text`) and Android (`date, time - Name: text`).

It names no zone, and writes dates as the phone does: the order of day and month is decided once for the whole file.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal

import msgspec

from soulfra.chat.message import (
    ALL,
    BATCH,
    Kind,
    Message,
    Part,
    Progress,
    Recognition,
    Skipped,
    Unreadable,
    batches,
    cleaned,
)
from soulfra.compiled import quick

MARKS = "\u200e\u200f\ufeff\u202a\u202c"
SPACE = "(?: |\u00a0|\u2009|\u202f)"
DATE = r"(\d{4}|\d{1,2})([/.\-])(\d{1,2})\2(\d{4}|\d{1,2})\.?"
HALF = rf"(?:{SPACE}*([AaPp])\.?{SPACE}?[Mm]\.?|{SPACE}?(上午|下午|오전|오후))?"
CLOCK = r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?"
TIME = rf"(?:klo )?(上午|下午|오전|오후)?{SPACE}?{CLOCK}{HALF}"
NAME = "(?:([^:\\r\\n]{1,300}?):(?: |\u200e|(?=\\S)))?"
BEGUN = rf"^(?:{'|'.join(MARKS)})*"


def _headers(time: str) -> dict[str, re.Pattern[bytes]]:
    """How the head of a line looks, over UTF-8, so that places are bytes."""
    heads = {
        "iOS": rf"{BEGUN}\[{DATE},?{SPACE}+{time}\]{SPACE}?{NAME}",
        "Android": rf"{BEGUN}{DATE},?{SPACE}+{time}{SPACE}-{SPACE}{NAME}",
    }
    return {phone: re.compile(head.encode(), re.M) for phone, head in heads.items()}


HEADERS = _headers(TIME)
OF_24_HOURS = _headers(CLOCK)  # quicker, where all lines of a file have it
# What WhatsApp writes in the phone's language, in the place of what it leaves out or took back, or behind it.
BRACKETED = re.compile(r"<[^<>\n]{3,80}>")
ATTACHED = re.compile(r"[^\n/:]{1,120}\.\w{2,5} \([^()\n]{4,40}\)(?=\n|$)")
LEFT_OUT = re.compile(
    r"\b(omitted|attached|weggelassen|omitid[oa]s?|absente?|non incluse?|omis(?:e|es)?|ocultad[oa]s?|oculta|não revelad[oa]|omess[oaei]"
    r"|weggelaten|pominięt[oay]|utelämnad\w*|utelatt|udeladt|tidak disertakan|dahil edilmedi|опущен[оа]?|отсутствует)\b"
    r"|省略|忽略|含まれていません|생략|제외|استبعاد|לא נכלל|शामिल नहीं",
    re.I,
)
DELETED = frozenset((
    "this message was deleted", "you deleted this message", "this message was deleted by admin",
    "diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht", "se eliminó este mensaje",
    "eliminaste este mensaje", "este mensaje fue eliminado", "este mensaje se eliminó", "ce message a été supprimé",
    "vous avez supprimé ce message", "vous avez effacé ce message", "mensagem apagada", "essa mensagem foi apagada",
    "esta mensagem foi apagada", "você apagou esta mensagem", "eliminou esta mensagem",
    "questo messaggio è stato eliminato", "hai eliminato questo messaggio", "dit bericht is verwijderd",
    "u hebt dit bericht verwijderd", "je hebt dit bericht verwijderd", "ta wiadomość została usunięta",
    "usunąłeś tę wiadomość", "bu mesaj silindi", "bu mesajı sildiniz", "данное сообщение удалено",
    "вы удалили данное сообщение", "pesan ini telah dihapus", "pesan ini dihapus", "anda menghapus pesan ini",
))  # fmt: skip
EDITED = re.compile(r"(?<=[^\s\u200e])\s*\u200e<[^<>\n]{5,60}>$|\s*<This message was edited>$")
DOTTED = {len(sentence) + dot for sentence in DELETED for dot in (0, 1)}
LENGTHS = bytes(n in DOTTED for n in range(64))  # 1: a text of so many characters may be one of them
AFTERNOON = {b"p", "下午".encode(), "오후".encode()}
BACK, AHEAD = timedelta(days=365), timedelta(days=5 * 365)  # a line that jumps further is no header but a paste
DATED = 11  # bytes at the head of a line in which the date is
LINES, SHARE = 200, 0.6  # of the first lines, how many must be headers
TOLD, CHUNK = 5_000, 1024 * 1024  # lines between two marks of progress; bytes
UTF16 = (b"\xff\xfe", b"\xfe\xff")
SYSTEM: Literal["system"] = "system"
Order = Literal["day", "month", "year"]
Pages = mmap.mmap | bytes
Head = tuple[int, int, datetime, bytes]  # of a message: where it begins, its line, its time, whose it is


class WhatsApp:
    """WhatsApp's «export chat», as text or in its zip."""

    name, title, divides = "whatsapp", "WhatsApp", True
    members = re.compile(r"(^|/)(_chat|WhatsApp[^/]*)\.txt$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        lines = [line for line in _utf8(head).splitlines() if line.strip()][:LINES]
        for phone, header in HEADERS.items():
            found = [bool(header.match(line)) for line in lines]
            if found and (found[0] or sum(found) >= SHARE * len(found)):
                share = sum(found) / len(found)
                return Recognition(
                    self.name,
                    min(0.99, 0.6 + share / 2),
                    f"{share:.0%} of its first lines begin as WhatsApp on {phone} writes them",
                )
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        with part.path.open("rb") as opened:
            pages = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            if pages[:2] in UTF16:
                if part.span.begin:
                    return  # read with the first half
                whole = _utf8(pages[:])
                yield from batches(_in_utf16(_messages(whole, part._replace(span=ALL), skipped, progress), whole))
            else:
                yield from batches(_messages(pages, part, skipped, progress))


class Dates(dict[tuple[bytes, bytes, bytes], date | None]):
    """By the three numbers at the head of a line: the day, in one order for the whole file; None where there is no such day."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def __missing__(self, numbers: tuple[bytes, bytes, bytes]) -> date | None:
        a, b, c = map(int, numbers)
        year, month, day = {"day": (c, b, a), "month": (c, a, b), "year": (a, b, c)}[self.order]
        try:
            found = date(year + 2000 if year < 100 else year, month, day)
        except ValueError:
            found = None
        self[numbers] = found
        return found


def _utf8(content: bytes) -> bytes:
    return content.decode("utf-16", errors="replace").encode(errors="replace") if content[:2] in UTF16 else content


def _template(pages: Pages) -> re.Pattern[bytes]:
    """How the head of a line looks."""
    head = pages[:65_536]
    counts = {header: len(header.findall(head)) for header in (*OF_24_HOURS.values(), *HEADERS.values())}
    best = max(counts, key=lambda header: counts[header])
    if not counts[best]:
        raise Unreadable("no line begins with a date, a time and a name; export the chat again without media", "line 1")
    return best


def _order(pages: Pages, header: re.Pattern[bytes]) -> Order:
    """Year first by its size; day or month first by what cannot be a month; else whichever goes back in time less.

    Most dates decide: a pasted line may hold another order, or no date at all.
    """
    written = list(_dates(pages, header))
    numbers = [tuple(map(int, date)) for date in written]
    if 2 * sum(first > 31 for first, _, _ in numbers) > len(numbers):
        return "year"
    day = sum(12 < first <= 31 and second <= 12 for first, second, _ in numbers)
    month = sum(12 < second <= 31 and first <= 12 for first, second, _ in numbers)
    if day != month:
        return "day" if day > month else "month"
    return "month" if _backward(written, "month") < _backward(written, "day") else "day"


def _dates(pages: Pages, header: re.Pattern[bytes]) -> dict[tuple[bytes, bytes, bytes], None]:
    """The different dates in the heads of the lines, in their order."""
    begun, found, at = set[bytes](), dict[tuple[bytes, bytes, bytes], None](), 0
    while True:
        beginning = pages[at : at + DATED]
        if beginning not in begun and (head := header.match(pages, at)):
            if beginning.isascii():  # not after a mark, which would take the place of the year
                begun.add(beginning)
            found[head[1], head[3], head[4]] = None
        at = other_line(pages, at, beginning if beginning in begun else b"\n")
        if not at:
            return found


def _other_line(pages: Pages, at: int, beginning: bytes) -> int:
    """Where the next line is; compiled, one that may begin a message, and begins otherwise. 0 where none is."""
    return pages.find(b"\n", at) + 1


other_line: Callable[[Pages, int, bytes], int] = quick.other_line if quick else _other_line


def _backward(written: list[tuple[bytes, bytes, bytes]], order: Order) -> int:
    dates = Dates(order)
    days = [day for numbers in written if (day := dates[numbers])]
    return sum(later < earlier for earlier, later in pairwise(days))


def _messages(pages: Pages, part: Part, skipped: Skipped, progress: Progress) -> Iterator[Message]:
    """A header begins a message; what follows without one belongs to it."""
    header, names, span, memo = _template(pages), dict[bytes, str](), part.span, part.export.memo
    if (part.name, "order") not in memo:
        memo[part.name, "order"] = _order(pages, header)
    order: Order = memo[part.name, "order"]
    dates = Dates(order)
    bracketed, halves = header in (HEADERS["iOS"], OF_24_HOURS["iOS"]), header in HEADERS.values()
    form = (order, bracketed, halves, LENGTHS, names, Message, _message)
    head: Head | None = None
    text, last = 0, None
    begin = span.begin and pages.find(b"\n", span.begin - 1) + 1
    line = 1 + _lines(pages, 0, begin)
    while begin or not span.begin:
        found = header.match(pages, begin)
        time = _at(found, dates) if found else None
        if found and time and (last is None or -BACK <= time - last <= AHEAD):
            if head:
                yield _message(*head, pages[text:begin], names)
                head = None
            if begin >= span.end:
                return
            if quick:
                plain, begin, line, last = quick.messages(pages, begin, span.end, line, last or time, BATCH, form)
                if plain:
                    yield from plain
                    progress(begin)
                    continue
            head, text, last = (begin, line, time, found[header.groups] or b""), found.end(), time
        elif not head and not span.begin and pages[begin : pages.find(b"\n", begin) % len(pages)].strip():
            skipped.add("a line before the first message", f"line {line}")
        line += 1
        if line % TOLD == 0:
            progress(begin)
        begin = pages.find(b"\n", begin) + 1
        if not begin:
            break  # that was the last line
    if head:
        yield _message(*head, pages[text : len(pages)], names)


def _lines(pages: Pages, begin: int, end: int) -> int:
    return sum(pages[at : min(at + CHUNK, end)].count(b"\n") for at in range(begin, end, CHUNK))


def _in_utf16(messages: Iterator[Message], whole: bytes) -> Iterator[Message]:
    """With the places in the file, of which `whole` is the UTF-8."""
    place, at = 2, 0  # behind the mark that names the byte order
    for message in messages:
        place += len(whole[at : message.offset].decode().encode("utf-16-le"))
        at = message.offset
        yield msgspec.structs.replace(message, offset=place)


def _at(head: re.Match[bytes], dates: Dates) -> datetime | None:
    a, _, b, c, *clock, _ = head.groups()
    day = dates[a, b, c]
    if day is None:
        return None
    if len(clock) == 3:
        hour, minute, second = clock
        hours = int(hour)
    else:
        before, hour, minute, second, letter, after = clock
        hours = int(hour)
        if half := (letter or before or after or b"").lower():
            hours = hours % 12 + 12 * (half in AFTERNOON)
    try:
        return datetime(day.year, day.month, day.day, hours, int(minute), int(second or 0))
    except ValueError:
        return None


def _message(begin: int, line: int, at: datetime, whose: bytes, content: bytes, names: dict[bytes, str]) -> Message:
    said = content.decode(errors="replace")
    if "\r" in said:
        said = said.replace("\r\n", "\n")
    name = names.get(whose) or names.setdefault(whose, _name(whose))
    kind, text = _told(said) if name else (SYSTEM, cleaned(said))
    if kind is SYSTEM:
        text = f"{name}: {text}" if name else text
        return Message("whatsapp", f"line {line}", SYSTEM, SYSTEM, at, text, SYSTEM, False, "", begin)
    return Message("whatsapp", f"line {line}", name, "person", at, text, kind, kind == "text" and bool(text), "", begin)


def _name(written: bytes) -> str:
    return cleaned(written.decode(errors="replace")).removeprefix("~ ").strip()


def _told(said: str) -> tuple[Kind, str]:
    """What behind a name is told by WhatsApp itself, and what is left of it."""
    marked = said[:1] == "\u200e"
    text = cleaned(EDITED.sub("", said) if ">" in said else said)
    if len(text) < len(LENGTHS) and LENGTHS[len(text)] and text.lower().rstrip(".") in DELETED:
        return "deleted", text
    if (text[:1] == "<" and BRACKETED.fullmatch(text)) or (marked and LEFT_OUT.search(text.partition("\n")[0])):
        return "media", text
    if ")" in text and (attached := ATTACHED.match(text)):
        caption = text[attached.end() :].strip()
        return ("text", caption) if caption else ("media", text)
    return "system" if marked else "text", text


FORMAT = WhatsApp()
