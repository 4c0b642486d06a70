"""ShareGPT's conversations: an array of `{"id", "conversations": [{"from", "value"}]}`, or one such object a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from soulfra.chat.array import decoded, elements
from soulfra.chat.lines import raw_lines
from soulfra.chat.message import Message, Part, Progress, Recognition, Skipped, batches
from soulfra.chat.roles import turn


class Conversation(msgspec.Struct):
    """a conversation"""

    conversations: list[Any]
    id: str | int | None = None


class ShareGPT:
    """As FastChat and many data sets use it."""

    name, title = "sharegpt", "ShareGPT"
    members = re.compile(r"sharegpt[^/]*\.jsonl?$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if b'"conversations"' in head and b'"from"' in head and b'"value"' in head:
            return Recognition(self.name, 0.93, "its conversations have turns with from and value, as ShareGPT's do")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        with part.path.open("rb") as opened:
            lines = opened.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
        found = _of_lines(part, skipped, progress) if lines else elements(part.path, Conversation, skipped, progress)
        return batches(message for n, (at, one) in enumerate(found) for message in _messages(one, n, at, skipped))


def _of_lines(part: Part, skipped: Skipped, progress: Progress) -> Iterator[tuple[int, Conversation]]:
    for at, line in raw_lines(part.path, progress):
        if (one := decoded(line, Conversation, skipped, at)) is not None:
            yield at, one


def _messages(one: Conversation, n: int, at: int, skipped: Skipped) -> Iterator[Message]:
    name = str(one.id or f"conversation {n + 1}")
    for k, said in enumerate(one.conversations):
        if isinstance(said, dict) and isinstance(said.get("value"), str):
            yield turn(name, k, str(said.get("from") or ""), said["value"], None, at)
        else:
            skipped.add("a turn has no value", f"byte {at}")


FORMAT = ShareGPT()
