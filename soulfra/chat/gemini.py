"""Google Gemini in a Takeout: `MyActivity.json`, newest first, a prompt and mostly its answer in each entry.

It has no conversations; prompts less than half an hour apart are taken for one, which is a guess.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from soulfra.chat.array import elements
from soulfra.chat.message import Message, Part, Progress, Recognition, Skipped, batches
from soulfra.chat.roles import time_of, turn

GAP = timedelta(minutes=30)
PRODUCT = re.compile(r"gemini|bard", re.I)
PROMPT = re.compile(
    r"^(?:Prompted|Asked|Said|Used(?: the)? prompt|Eingegebener Prompt:?|Prompt (?:saisi|introducido|inserito)\s*:?)\s+(.*)$",
    re.S,
)
INVISIBLE = re.compile(r"<(script|style)\b.*?</\1\s*>", re.S | re.I)
BREAK = re.compile(r"<(?:br|/p|/div|/li|/h\d|/pre|/tr)\b[^>]*>", re.I)
TAG = re.compile(r"<[^>]*>")


class Entry(msgspec.Struct):
    """an entry"""

    header: str = ""
    title: str = ""
    time: str | None = None
    products: list[Any] | None = None
    safeHtmlItem: list[Any] | None = None  # noqa: N815  (Google's name)


class Gemini:
    """«Gemini Apps» in «My Activity», as JSON."""

    name, title = "gemini", "Gemini Takeout"
    members = re.compile(r"Gemini[^/]*/MyActivity\.json$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if b'"header"' in head and b'"title"' in head and b'"time"' in head:
            sure = 0.95 if PRODUCT.search(head.decode(errors="replace")) else 0.6
            return Recognition(
                self.name, sure, "its entries have a header, a title and a time, as Google's Takeout has them"
            )
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        found = [(at, one) for at, one in elements(part.path, Entry, skipped, progress) if _is_prompt(one, at, skipped)]
        return batches(_messages(list(reversed(found))))


def _is_prompt(entry: Entry, at: int, skipped: Skipped) -> bool:
    about = " ".join([entry.header, *(one for one in entry.products or () if isinstance(one, str))])
    if not PRODUCT.search(about):
        skipped.add("an entry of another product", f"byte {at}")
    elif not PROMPT.match(entry.title):
        skipped.add("an entry that is no prompt", f"byte {at}")
    else:
        return True
    return False


def _messages(entries: list[tuple[int, Entry]]) -> Iterator[Message]:
    conversation, last = 0, None
    for n, (at, entry) in enumerate(entries):
        time = time_of(entry.time)
        if not _follows(last, time):
            conversation += 1
        last = time
        found = PROMPT.match(entry.title)
        name = f"talk {conversation}"
        yield turn(name, 2 * n, "user", found[1] if found else entry.title, time, at)
        if answer := _answer(entry):
            yield turn(name, 2 * n + 1, "assistant", answer, time, at)


def _follows(last: datetime | None, now: datetime | None) -> bool:
    return last is not None and now is not None and timedelta() <= now - last < GAP


def _answer(entry: Entry) -> str:
    items = entry.safeHtmlItem or ()
    return "\n".join(
        _plain(item["html"]) for item in items if isinstance(item, dict) and isinstance(item.get("html"), str)
    )


def _plain(markup: str) -> str:
    """What a reader sees of it."""
    return html.unescape(TAG.sub("", BREAK.sub("\n", INVISIBLE.sub("", markup)))).strip()


FORMAT = Gemini()
