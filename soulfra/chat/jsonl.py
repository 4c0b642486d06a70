"""OpenAI's JSONL: each line is a conversation, `{"messages": [{"role", "content"}]}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from soulfra.chat.lines import objects
from soulfra.chat.message import Message, Part, Progress, Recognition, Skipped, batches
from soulfra.chat.roles import text_of, time_of, turn


class OpenAILines:
    """Training and log files of OpenAI's chat format."""

    name, title = "openai-jsonl", "OpenAI JSONL"
    members = re.compile(r"\.jsonl$")

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        first = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
        if first.startswith(b"{") and re.search(rb'"messages"\s*:\s*\[', first) and b'"role"' in first:
            return Recognition(self.name, 0.9, "its first line holds messages with roles, as OpenAI's JSONL does")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        return batches(
            message
            for n, (at, row) in enumerate(objects(part.path, skipped, progress))
            for message in _conversation(row, n, at, skipped)
        )


def _conversation(row: dict[str, Any], n: int, at: int, skipped: Skipped) -> Iterator[Message]:
    messages = row.get("messages")
    if not isinstance(messages, list):
        skipped.add("a line holds no messages", f"byte {at}")
        return
    name = str(row.get("id") or row.get("conversation_id") or f"line {n + 1}")
    for k, said in enumerate(messages):
        if isinstance(said, dict) and isinstance(said.get("role"), str):
            yield turn(name, k, said["role"], text_of(said.get("content")), time_of(said.get("timestamp")), at)
        else:
            skipped.add("a message has no role", f"byte {at}")


FORMAT = OpenAILines()
