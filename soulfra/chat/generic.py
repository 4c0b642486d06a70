"""Any JSON, JSONL or CSV whose fields are called as one would call them: who, when, what."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from soulfra.chat.array import located, pages_of
from soulfra.chat.lines import objects, text_of
from soulfra.chat.message import Message, Part, Progress, Recognition, Skipped, Unreadable, batches
from soulfra.chat.roles import text_of as said
from soulfra.chat.roles import time_of, turn

WHO = ("author", "sender", "sender_name", "from", "user", "username", "speaker", "name", "nick", "role")
WHEN = ("timestamp", "timestamp_ms", "time", "date", "datetime", "created_at", "create_time", "sent_at", "ts")
WHAT = ("text", "content", "message", "body", "value", "msg")
WHERE = ("conversation_id", "conversation", "channel", "chat", "thread_id", "room")
WIDEST = 1_000_000  # characters of one cell


class Loose(msgspec.Struct):
    """An object that holds the list under one of these names."""

    messages: list[msgspec.Raw] | None = None
    conversations: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None
    items: list[msgspec.Raw] | None = None
    history: list[msgspec.Raw] | None = None

    @property
    def found(self) -> list[msgspec.Raw]:
        return self.messages or self.conversations or self.data or self.items or self.history or []


class Generic:
    """One of the three ways in which rows are written."""

    def __init__(self, name: str, title: str, ending: str) -> None:
        self.name, self.title = name, title
        self.members = re.compile(rf"\.{ending}$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        text = decoded_head(head).lstrip("\ufeff \t\r\n")
        if self.name == "csv":
            columns = [
                column.strip('" \r').lower() for column in text.split("\n", 1)[0].split(dialect_of(text).delimiter)
            ]
            known = text[:1] not in "[{" and bool(len(columns) > 1 and _of(columns, WHAT) and _of(columns, WHO))
        else:
            keys = re.findall(r'"(\w{1,30})"\s*:', text[:8192].lower())
            lines = "\n{" in text and text[:1] == "{"
            known = (
                text[:1] in ("[", "{") and lines == (self.name == "jsonl") and bool(_of(keys, WHAT) and _of(keys, WHO))
            )
        return Recognition(self.name, 0.3, f"it is {self.title} with fields for who and what") if known else None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        rows = {"json": _of_json, "jsonl": objects, "csv": _of_csv}[self.name]
        found = rows(part.path, skipped, progress)
        return batches(message for n, (at, row) in enumerate(found) if (message := _message(row, n, at, skipped)))


def _of(keys: list[str], wanted: tuple[str, ...]) -> str:
    return next((key for key in wanted if key in keys), "")


def _first(row: Mapping[str, Any], wanted: tuple[str, ...]) -> Any:
    return next((row[key] for key in wanted if row.get(key) not in (None, "")), None)


def _message(row: Mapping[str, Any], n: int, at: int, skipped: Skipped) -> Message | None:
    low = {str(key).strip().lower(): value for key, value in row.items()}
    who, what = _first(low, WHO), _first(low, WHAT)
    if isinstance(who, dict):
        who = _first(who, ("name", "username", "display_name", "role", "id"))
    if what is None and who is None:
        skipped.add("a row says neither who nor what", f"byte {at}")
        return None
    where = str(_first(low, WHERE) or "chat")
    return turn(
        where, n, str(who or "unknown"), said(what), time_of(_first(low, WHEN)), at, id=str(low.get("id") or "")
    )


def _of_json(path: Any, skipped: Skipped, progress: Progress) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with pages_of(path, list[msgspec.Raw], Loose) as (pages, found):
        raws = found if isinstance(found, list) else found.found
        for at, raw in located(pages, raws):
            try:
                yield at, msgspec.json.decode(raw, type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                skipped.add("an entry is no object", f"byte {at}")
            progress(at)


def _of_csv(path: Any, skipped: Skipped, progress: Progress) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """With quoted line breaks, in UTF-8, UTF-16 or Windows-1252. Places are numbers of records."""
    with path.open("rb") as opened:
        head = opened.read(65_536)
    text = decoded_head(head)
    csv.field_size_limit(WIDEST)
    with path.open(encoding=encoding_of(head), errors="replace", newline="") as lines:
        rows = csv.DictReader((line.replace("\x00", "") for line in lines), dialect=dialect_of(text))
        try:
            named = bool(rows.fieldnames)
        except csv.Error:
            named = False
        if not named:
            raise Unreadable("the first line names no columns", "line 1")
        n = 0
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as broken:
                skipped.add(f"a row cannot be read: {broken}", f"line {rows.line_num}")
                continue
            yield n, {key: value for key, value in row.items() if key}
            n += 1


def encoding_of(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        head[:-4].decode()
    except UnicodeDecodeError as wrong:
        return "cp1252" if wrong.start < len(head) - 8 else "utf-8-sig"
    return "utf-8-sig"


def decoded_head(head: bytes) -> str:
    return head.decode("utf-16", errors="replace") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else text_of(head)


def dialect_of(text: str) -> type[csv.Dialect]:
    """By which of three signs stands most often in the first line."""
    first = text.split("\n", 1)[0]

    class Found(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Found


JSON, JSONL, CSV = Generic("json", "JSON", "json"), Generic("jsonl", "JSONL", "jsonl"), Generic("csv", "CSV", "csv")
