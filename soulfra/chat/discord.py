"""Discord: the JSON and CSV of DiscordChatExporter (one channel a file), and the official data package (one's own messages)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from soulfra.chat.array import each, pages_of
from soulfra.chat.message import (
    Message,
    Names,
    Part,
    Progress,
    Recognition,
    Role,
    Skipped,
    Unreadable,
    batches,
    cleaned,
    kind_of,
    utc_of,
)

EXPORTER = ("AuthorID", "Author", "Date", "Content")
PACKAGE = ("ID", "Timestamp", "Contents")
SAID = {"Default", "Reply", "0", "19", "20", "ChatInputCommand", "ContextMenuCommand", "ThreadStarterMessage"}
CHANNEL = re.compile(r"(^|/)(c?\d+)/messages\.(csv|json)$", re.I)


class Author(msgspec.Struct):
    id: str | int = ""
    name: str | None = None
    nickname: str | None = None
    isBot: bool = False  # noqa: N815  (their name)


class Reference(msgspec.Struct):
    messageId: str | int | None = None  # noqa: N815


class Said(msgspec.Struct):
    """a message"""

    id: str | int = ""
    type: str | int = "Default"
    timestamp: str | None = None
    content: str | None = None
    author: Author = msgspec.field(default_factory=Author)
    attachments: Any = None
    embeds: Any = None
    stickers: Any = None
    reference: Reference | None = None


class Own(msgspec.Struct, rename="pascal"):
    """a message"""

    id: str | int = msgspec.field(name="ID", default="")
    timestamp: str | None = None
    contents: str | None = None
    attachments: str | None = None


class Channel(msgspec.Struct):
    id: str | int = ""
    name: str | None = None


class Exported(msgspec.Struct):
    """What DiscordChatExporter writes: one channel."""

    messages: list[msgspec.Raw]
    channel: Channel = msgspec.field(default_factory=Channel)


class Discord:
    """DiscordChatExporter's JSON or CSV, or the zip that Discord itself sends."""

    name, title = "discord", "Discord"
    members = re.compile(r"(^|/)messages/c?\d+/messages\.(csv|json)$|\[\d{15,}\].*\.(json|csv)$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if b'"guild"' in head and b'"channel"' in head and b'"messages"' in head:
            return Recognition(
                self.name, 0.98, "it holds a guild, a channel and messages, as DiscordChatExporter writes them"
            )
        if b'"ID"' in head and b'"Timestamp"' in head and b'"Contents"' in head:
            return Recognition(
                self.name, 0.95, "its messages have ID, Timestamp and Contents, as Discord's data package does"
            )
        first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode(errors="replace")
        columns = tuple(column.strip('" \r') for column in first.split(","))
        if columns[:4] == EXPORTER or columns[:3] == PACKAGE:
            return Recognition(self.name, 0.97, f"its columns are {', '.join(columns[:4])}, as in a Discord export")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        with part.path.open("rb") as opened:
            first = opened.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if first == b"{":
            return batches(_exported(part, skipped, progress))
        if first == b"[":
            return batches(_own(part, skipped, progress))
        return batches(_rows(part, skipped, progress))


def _exported(part: Part, skipped: Skipped, progress: Progress) -> Iterator[Message]:
    with pages_of(part.path, Exported) as (pages, exported):
        channel = str(exported.channel.id or exported.channel.name or part.name or "channel")
        for at, said in each(pages, exported.messages, Said, skipped, progress):
            yield _message(said, channel, at, part.export.names)


def _message(said: Said, channel: str, at: int, names: Names) -> Message:
    author = said.author
    speaker = names.of(str(author.id or author.name or ""), author.nickname or author.name or "")
    text = cleaned(said.content or "")
    spoken = str(said.type) in SAID
    media = bool(said.attachments or said.stickers or said.embeds)
    kind = kind_of(text, media, spoken)
    role: Role = "system" if not spoken else "tool" if author.isBot else "person"
    reply = str(said.reference.messageId or "") if said.reference else ""
    return Message(channel, str(said.id), speaker, role, _at(said.timestamp), text, kind, kind == "text", reply, at)


def _own(part: Part, skipped: Skipped, progress: Progress) -> Iterator[Message]:
    """Only what the owner of the package wrote."""
    with pages_of(part.path, list[msgspec.Raw]) as (pages, raws):
        for at, said in each(pages, raws, Own, skipped, progress):
            yield _mine(_channel(part), str(said.id), said.timestamp, said.contents, said.attachments, at)


def _rows(part: Part, skipped: Skipped, progress: Progress) -> Iterator[Message]:
    """CSV, with quoted line breaks."""
    lines = Lines(part.path.open("rb"))
    rows = csv.reader(lines)
    try:
        columns = [column.lstrip("\ufeff") for column in next(rows, [])]
    except csv.Error as broken:
        raise Unreadable(f"the first line names no columns: {broken}", "line 1") from None
    exporter = tuple(columns[:4]) == EXPORTER
    least = max(len(columns) - 2, len(EXPORTER) if exporter else 1)
    begins = lines.at
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as broken:
            skipped.add(f"a row cannot be read: {broken}", f"byte {begins}")
            cells = []
        if cells is None:
            return
        row = dict(zip(columns, cells, strict=False))
        if len(cells) < least:
            if cells:
                skipped.add("a row lacks columns", f"byte {begins}")
        elif exporter:
            yield _written(row, part, begins)
        else:
            yield _mine(
                _channel(part),
                row.get("ID", ""),
                row.get("Timestamp"),
                row.get("Contents"),
                row.get("Attachments"),
                begins,
            )
        begins = lines.at
        progress(begins)


def _written(row: dict[str, str], part: Part, at: int) -> Message:
    """A row of DiscordChatExporter, which has no id of the message."""
    speaker = part.export.names.of(row["AuthorID"], row["Author"].split("#")[0])
    text = cleaned(row["Content"])
    kind = kind_of(text, bool(row.get("Attachments")))
    return Message(
        part.name or "channel", f"byte {at}", speaker, "person", _at(row["Date"]), text, kind, kind == "text", "", at
    )


def _mine(
    channel: str, id: str, timestamp: str | None, contents: str | None, attachments: str | None, at: int
) -> Message:
    text = cleaned(contents or "")
    kind = kind_of(text, bool(attachments))
    return Message(channel, id, "You", "person", _at(timestamp), text, kind, kind == "text", "", at)


def _channel(part: Part) -> str:
    found = CHANNEL.search(part.name)
    return found[2] if found else part.name or "channel"


class Lines:
    """Lines of text for the CSV reader; `at` is the byte behind the last one it took."""

    def __init__(self, opened: io.BufferedReader) -> None:
        self._opened, self.at = opened, 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = b"" if self._opened.closed else self._opened.readline()
        if not line:
            self._opened.close()
            raise StopIteration
        self.at += len(line)
        text = line.decode(errors="replace").replace("\x00", "")
        return text.rstrip("\r\n").replace("\r", " ") + "\n"


def _at(text: str | None) -> datetime | None:
    """Discord's times have a zone; those of the data package are in UTC and do not say so."""
    return utc_of((text or "").replace(" UTC", "+00:00"))


FORMAT = Discord()
