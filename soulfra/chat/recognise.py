"""Which format a file has, told by its content; its name only helps to say what went wrong."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from soulfra.chat.archive import opened
from soulfra.chat.message import Format, Recognition, Unreadable

HEAD = 65_536  # bytes that are looked at
EMPTY = "the file is empty; export the chat again"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
PICTURES = {
    b"\x89PNG": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"GIF8": "a GIF picture", b"%PDF": "a PDF",
    b"RIFF": "a sound, film or WebP picture", b"\x1f\x8b": "a gzip file", b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}  # fmt: skip
NOT_YET = (
    ("Telegram", (b'"date_unixtime"', b'"from_id"'), any),
    ("Discord", (b'"guild"', b'"channel"', b'"messages"'), all),
    ("Google Takeout", (b'"header"', b'"title"', b'"time"'), all),
    ("Slack", (b'"ts"', b'"type"', b'"message"'), all),
    ("ShareGPT", (b'"conversations"', b'"from"', b'"value"'), all),
    ("OpenAI JSONL", (b'"messages"', b'"role"', b'"content"'), all),
)
TELEGRAM_HTML = re.compile(rb"<!DOCTYPE html>.*?(Exported Data|tgme|page_header)", re.S | re.I)
KEY = re.compile(r'"([A-Za-z_][A-Za-z0-9_ ]{0,30})"\s*:')


@cache
def formats() -> dict[str, Format]:
    """All formats that can be read, by name."""
    found = {entry.name: entry.load() for entry in entry_points(group="soulfra.formats")}
    return dict(sorted(found.items()))


def recognise_head(head: bytes, name: str) -> Recognition:
    """What the first 64 kB show; for a zip only that it is one. Raises Unreadable with what was seen and what to do."""
    _refuse(head)
    if head.startswith(ZIP):
        return Recognition("zip", 0.5, "it begins as a zip does")
    found = [known for format in formats().values() if (known := format.recognises(head[:HEAD], name))]
    if found:
        return max(found, key=lambda one: one.confidence)
    raise Unreadable(f"{_seen(head)}; tried were {', '.join(format.title for format in formats().values())}")


def recognise_file(file: Path, name: str, limit: int, forced: str | None = None) -> tuple[Recognition, list[str]]:
    """The format and, in a zip, the members that hold it. Raises Unreadable."""
    if forced and forced not in formats():
        raise Unreadable(f"there is no format {forced!r}; there are {', '.join(formats())}")
    with file.open("rb") as opened_:
        head = opened_.read(HEAD)
    if head.startswith(ZIP):
        return _in_zip(file, limit, forced)
    if not forced:
        return recognise_head(head, name), []
    if not head:
        raise Unreadable(EMPTY)
    return Recognition(forced, 1.0, "it was asked for"), []


def _in_zip(file: Path, limit: int, forced: str | None) -> tuple[Recognition, list[str]]:
    with opened(file, limit) as archive:
        names = sorted(archive.namelist())
        for format in formats().values():
            members = [name for name in names if format.members.search(name)]
            if not members or (forced and format.name != forced):
                continue
            try:
                with archive.open(members[0]) as member:
                    known = format.recognises(member.read(HEAD), members[0])
            except Exception as broken:
                raise Unreadable(
                    f"a file in the zip is damaged ({type(broken).__name__}); download the export again"
                ) from None
            if known or forced:
                return known or Recognition(format.name, 1.0, "it was asked for"), members
    if {"users.json", "channels.json"} <= set(names):
        raise Unreadable("this is a Slack export, which is not read yet; ChatGPT, Claude and WhatsApp are")
    raise Unreadable(f"none of the {len(names)} files in the zip is a chat of a known format; tried were "
                     f"{', '.join(format.title for format in formats().values())}")  # fmt: skip


def _refuse(head: bytes) -> None:
    if not head.strip(b"\x00\xef\xbb\xbf \t\r\n"):
        raise Unreadable(EMPTY)
    for magic, kind in PICTURES.items():
        if head.startswith(magic):
            raise Unreadable(f"this is {kind}, not a chat export; upload the JSON, text or zip file of the export")
    if TELEGRAM_HTML.search(head[:8192]):
        raise Unreadable("this is an HTML export, as Telegram makes by default; export again and choose "
                         "«Machine-readable JSON» as the format")  # fmt: skip
    if any(format.recognises(head, "") for format in formats().values()):
        return
    for kind, marks, needed in NOT_YET:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{") and needed(mark in head for mark in marks):
            raise Unreadable(f"this looks like {kind}, which is not read yet; ChatGPT, Claude and WhatsApp are")


def _seen(head: bytes) -> str:
    text = head[:4096].decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if text[:1] in ("[", "{"):
        keys = list(dict.fromkeys(KEY.findall(text)))[:6]
        return f"the file is JSON of an unknown kind (its first keys are {', '.join(keys) or 'none'})"
    if "\ufffd" in text[:200] or "\x00" in text[:200]:
        return "the file is not text"
    return "the file is text in which no line begins as a known chat does"
