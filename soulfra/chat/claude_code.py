"""Claude Code's sessions: JSONL, one entry a line, of which some are turns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from soulfra.chat.lines import objects
from soulfra.chat.message import Kind, Message, Part, Progress, Recognition, Skipped, batches
from soulfra.chat.roles import text_of, time_of, turn


class ClaudeCode:
    """A session file of `~/.claude/projects`."""

    name, title = "claude-code", "Claude Code"
    members = re.compile(r"(^|/)[0-9a-f]{8}-[0-9a-f-]{27}\.jsonl$")

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if (
            head.lstrip().startswith(b"{")
            and b'"sessionId"' in head
            and re.search(rb'"type"\s*:\s*"(user|assistant)"', head)
        ):
            return Recognition(self.name, 0.95, "its lines have a sessionId and a type, as Claude Code writes them")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        rows = objects(part.path, skipped, progress)
        return batches(
            _message(row, n, at) for n, (at, row) in enumerate(rows) if row.get("type") in ("user", "assistant")
        )


def _message(row: dict[str, Any], n: int, at: int) -> Message:
    said = row.get("message")
    content = said.get("content") if isinstance(said, dict) else None
    text = text_of(content)
    hidden = bool(row.get("isMeta") or row.get("isSidechain"))
    kind: Kind = "tool" if hidden or (not text and isinstance(content, list)) else "text"
    session = str(row.get("sessionId") or "session")
    return turn(session, n, str(row["type"]), text, time_of(row.get("timestamp")), at, kind, str(row.get("uuid") or ""))


FORMAT = ClaudeCode()
