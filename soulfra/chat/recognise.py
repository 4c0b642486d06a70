"""Which format a file has, told by its content; its name only helps to say what went wrong."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from zipfile import ZipFile

from soulfra.chat.archive import opened
from soulfra.chat.message import Format, Recognition, Unreadable

HEAD = 65_536  # bytes that are looked at
LOOKED_AT = 20  # members of a zip, until one is not empty
EMPTY = "the file is empty; export the chat again"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
PICTURES = {
    b"\x89PNG": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"GIF8": "a GIF picture", b"%PDF": "a PDF",
    b"RIFF": "a sound, film or WebP picture", b"\x1f\x8b": "a gzip file", b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}  # fmt: skip
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
    """The surest of the formats of which the zip has files; of two that are as sure, the one with more of them."""
    with opened(file, limit) as archive:
        names = sorted(archive.namelist())
        found = []
        for format in formats().values():
            members = [name for name in names if format.members.search(name)]
            if members and forced in (None, "", format.name):
                known = format.recognises(_head_of(archive, members), members[0])
                if known or forced:
                    found.append((known or Recognition(format.name, 1.0, "it was asked for"), members))
    if found:
        return max(found, key=lambda one: (one[0].confidence, len(one[1]), one[0].format))
    raise Unreadable(f"none of the {len(names)} files in the zip is a chat of a known format; tried were "
                     f"{', '.join(format.title for format in formats().values())}")  # fmt: skip


def _head_of(archive: ZipFile, members: list[str]) -> bytes:
    """The beginning of the first member that is not empty."""
    try:
        for name in members[:LOOKED_AT]:
            with archive.open(name) as member:
                if len(head := member.read(HEAD)) > len("[]"):
                    return head
    except Exception as broken:
        raise Unreadable(f"a file in the zip is damaged ({type(broken).__name__}); download the export again") from None
    return b""


def _refuse(head: bytes) -> None:
    if not head.strip(b"\x00\xef\xbb\xbf \t\r\n"):
        raise Unreadable(EMPTY)
    for magic, kind in PICTURES.items():
        if head.startswith(magic):
            raise Unreadable(f"this is {kind}, not a chat export; upload the JSON, text or zip file of the export")
    if TELEGRAM_HTML.search(head[:8192]):
        raise Unreadable("this is an HTML export, as Telegram makes by default; export again and choose "
                         "«Machine-readable JSON» as the format")  # fmt: skip


def _seen(head: bytes) -> str:
    text = head[:4096].decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if text[:1] in ("[", "{"):
        keys = list(dict.fromkeys(KEY.findall(text)))[:6]
        return f"the file is JSON of an unknown kind (its first keys are {', '.join(keys) or 'none'})"
    if "\ufffd" in text[:200] or "\x00" in text[:200]:
        return "the file is not text"
    return "the file is text in which no line begins as a known chat does"
