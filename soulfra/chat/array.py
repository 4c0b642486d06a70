"""Reads a JSON export that is one array of conversations, one element at a time, from the file's own pages."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from soulfra.chat.message import ALL, Progress, Skipped, Span, Unreadable

Element = TypeVar("Element", bound=msgspec.Struct)
BYTE = re.compile(r"\(byte (\d+)\)")
TOLD = 65_536  # bytes between two reports of progress
MARK = 120  # bytes of an element by which it is found again
ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..(?=\\u[dD][c-fC-F])\\u....|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S)


class Wrapped(msgspec.Struct):
    """Some exports wrap the array."""

    conversations: list[msgspec.Raw]


def elements(
    file: Path, kind: type[Element], skipped: Skipped, progress: Progress, span: Span = ALL
) -> Iterator[tuple[int, Element]]:
    """Each element that begins in the span, with the byte at which it does. One that is not of the kind is counted and passed over.

    Raises Unreadable with the byte when the file is no JSON, or ends in the middle.
    """
    with pages_of(file, list[msgspec.Raw], Wrapped) as (pages, found):
        raws = found if isinstance(found, list) else found.conversations
        yield from each(pages, raws, kind, skipped, progress, span=span)


@contextmanager
def pages_of(file: Path, kind: Any, wrapped: Any = None) -> Iterator[tuple[mmap.mmap | bytes, Any]]:
    """The file's own pages, and what they hold: of the one kind, or of the other where the document is an object.

    Where half an emoji was cut off, the pages are a copy in which it is U+FFFD. Raises Unreadable with the byte.
    """
    with file.open("rb") as opened:
        pages = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            held, document = _whole(pages, kind, wrapped)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as broken:
            raise _told(str(broken), len(pages)) from None
        yield held, document


def each(
    pages: mmap.mmap | bytes,
    raws: list[msgspec.Raw],
    kind: type[Element],
    skipped: Skipped,
    progress: Progress,
    at: int = 0,
    span: Span = ALL,
) -> Iterator[tuple[int, Element]]:
    """Those that are of the kind and begin in the span, each with the byte at which it does; others are counted and passed over."""
    told = at
    for place, raw in located(pages, raws, at):
        if place >= span.end:
            return
        if place < span.begin:
            continue
        if (element := decoded(raw, kind, skipped, place)) is not None:
            yield place, element
        if (end := place + len(memoryview(raw))) - told > TOLD:
            progress(end)
            told = end


def located(pages: mmap.mmap | bytes, raws: list[msgspec.Raw], at: int = 0) -> Iterator[tuple[int, msgspec.Raw]]:
    """Each with the byte at which it begins, looked for from `at` on."""
    for raw in raws:
        at = pages.find(bytes(memoryview(raw)[:MARK]), at)
        yield at, raw
        at += len(memoryview(raw))


def decoded(raw: msgspec.Raw | bytes, kind: type[Element], skipped: Skipped, at: int) -> Element | None:
    """The element, or None where it is of another kind, which is counted."""
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
        skipped.add(f"{kind.__doc__ or 'a part'} is not of this format", f"byte {at}")
        return None


def _whole(pages: mmap.mmap, kind: Any, wrapped: Any) -> tuple[mmap.mmap | bytes, Any]:
    try:
        return pages, _document(pages, kind, wrapped)
    except msgspec.DecodeError as broken:
        if "hex escape" not in str(broken) and "surrogate" not in str(broken):
            raise
        whole = ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], pages)
        return whole, _document(whole, kind, wrapped)


def _document(pages: mmap.mmap | bytes, kind: Any, wrapped: Any) -> Any:
    first = pages[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    content = memoryview(pages)[3:] if pages[:3] == b"\xef\xbb\xbf" else memoryview(pages)
    return msgspec.json.decode(content, type=wrapped if wrapped is not None and first == b"{" else kind)


def _told(why: str, size: int) -> Unreadable:
    if "truncated" in why:
        return Unreadable("the file ends in the middle; export it again, or upload it again", f"byte {size}")
    found = BYTE.search(why)
    place = f"byte {found[1]}" if found else ""
    return Unreadable("the file is not valid JSON; upload the export as it came, unedited", place)
