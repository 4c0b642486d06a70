"""Grok's export: `{"conversations": [{"conversation", "responses": [{"response"}]}]}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from soulfra.chat.array import elements
from soulfra.chat.message import Message, Part, Progress, Recognition, Skipped, batches
from soulfra.chat.roles import time_of, turn


class Conversation(msgspec.Struct):
    """a conversation"""

    responses: list[Any]
    conversation: Any = None


class Grok:
    """xAI's data export."""

    name, title = "grok", "Grok"
    members = re.compile(r"grok[^/]*\.json$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if b'"conversations"' in head and b'"responses"' in head and b'"response"' in head and b'"sender"' in head:
            return Recognition(self.name, 0.95, "its conversations have responses with senders, as Grok exports them")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        found = elements(part.path, Conversation, skipped, progress)
        return batches(message for n, (at, one) in enumerate(found) for message in _messages(one, n, at, skipped))


def _messages(one: Conversation, n: int, at: int, skipped: Skipped) -> Iterator[Message]:
    told = one.conversation if isinstance(one.conversation, dict) else {}
    name = str(told.get("id") or f"conversation {n + 1}")
    for k, outer in enumerate(one.responses):
        said = outer.get("response") if isinstance(outer, dict) else None
        if not isinstance(said, dict) or not isinstance(said.get("message"), str):
            skipped.add("a response has no message", f"byte {at}")
            continue
        role = str(said.get("sender") or "")
        yield turn(name, k, role, said["message"], time_of(said.get("create_time")), at, id=str(said.get("_id") or ""))


FORMAT = Grok()
