"""Reads a JSON export that is one array of conversations, one element at a time, from the file's own pages."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from soulfra.chat.message import Progress, Skipped, Unreadable

Element = TypeVar("Element", bound=msgspec.Struct)
BYTE = re.compile(r"\(byte (\d+)\)")
MARK = 120  # bytes of an element by which it is found again
ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..(?=\\u[dD][c-fC-F])\\u....|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S)


class Wrapped(msgspec.Struct):
    """Some exports wrap the array."""

    conversations: list[msgspec.Raw]


def elements(file: Path, kind: type[Element], skipped: Skipped, progress: Progress) -> Iterator[tuple[int, Element]]:
    """Each element with the byte at which it begins. One that is not of the kind is counted and passed over.

    Raises Unreadable with the byte when the file is no JSON, or ends in the middle.
    """
    with file.open("rb") as opened:
        pages, found = _raw(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
        at = 0
        for raw in found:
            at = pages.find(bytes(memoryview(raw)[:MARK]), at)
            try:
                yield at, msgspec.json.decode(raw, type=kind, strict=False)
            except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
                skipped.add("a conversation is not of this format", f"byte {at}")
            at += len(memoryview(raw))
            progress(at)


def _raw(pages: mmap.mmap) -> tuple[mmap.mmap | bytes, list[msgspec.Raw]]:
    """The elements, and the pages they lie in: where half an emoji was cut off, a copy in which it is U+FFFD."""
    try:
        try:
            return pages, _array(pages)
        except msgspec.DecodeError as broken:
            if "hex escape" not in str(broken) and "surrogate" not in str(broken):
                raise
            whole = ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], pages)
            return whole, _array(whole)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as broken:
        raise _told(str(broken), len(pages)) from None


def _array(pages: mmap.mmap | bytes) -> list[msgspec.Raw]:
    first = pages[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    content = memoryview(pages)[3:] if pages[:3] == b"\xef\xbb\xbf" else memoryview(pages)
    if first == b"{":
        return msgspec.json.decode(content, type=Wrapped).conversations
    return msgspec.json.decode(content, type=list[msgspec.Raw])


def _told(why: str, size: int) -> Unreadable:
    if "truncated" in why:
        return Unreadable("the file ends in the middle; export it again, or upload it again", f"byte {size}")
    found = BYTE.search(why)
    place = f"byte {found[1]}" if found else ""
    return Unreadable("the file is not valid JSON; upload the export as it came, unedited", place)
