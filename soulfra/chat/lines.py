"""Reads files line by line: JSONL, of which a line may be cut off or not be JSON, and plain text in mixed encodings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from soulfra.chat.message import Progress, Skipped

LONGEST = 64 * 1024 * 1024  # bytes of one line
EVERY = 1_000  # lines between two marks of progress
BOM = b"\xef\xbb\xbf"

_decode = msgspec.json.Decoder().decode


def raw_lines(file: Path, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """Each line that is not empty, with the byte at which it begins."""
    at = 0
    with file.open("rb") as opened:
        n = 0
        while line := opened.readline(LONGEST):
            text = line.removeprefix(BOM) if at == 0 else line
            if text.strip():
                yield at, text
            at += len(line)
            n += 1
            if n % EVERY == 0:
                progress(at)


def objects(file: Path, skipped: Skipped, progress: Progress) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's JSON object. What is none is counted: the last line may be cut off."""
    for at, line in raw_lines(file, progress):
        try:
            found = _decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            skipped.add("a line is not whole JSON", f"byte {at}")
            continue
        if isinstance(found, dict):
            yield at, found
        else:
            skipped.add("a line is no JSON object", f"byte {at}")


def texts(file: Path, progress: Progress) -> Iterator[tuple[int, str]]:
    """Each line as text: UTF-8, or Windows-1252 where it is none."""
    for at, line in raw_lines(file, progress):
        yield at, text_of(line).rstrip("\r\n")


def text_of(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")
