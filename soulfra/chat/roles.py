"""What other programs call the parties of a talk with an assistant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from soulfra.chat.message import Kind, Message, Role, cleaned

ROLES: dict[str, tuple[str, Role]] = {
    **dict.fromkeys(("user", "human", "prompter", "customer"), ("You", "person")),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "bard", "bing", "ai", "grok"), ("Assistant", "assistant")),
    **dict.fromkeys(("system", "developer"), ("system", "system")),
    **dict.fromkeys(("tool", "function", "observation"), ("tool", "tool")),
}  # fmt: skip
LATEST = 4_102_444_800  # seconds of 2100-01-01: later times are mistakes, or in milliseconds


def turn(
    conversation: str, n: int, role: str, text: str, at: datetime | None, offset: int, kind: Kind = "text", id: str = ""
) -> Message:
    """One turn of a talk with an assistant. A role nobody knows is a person of that name."""
    speaker, known = ROLES.get(role.lower(), (role or "unknown", "person"))
    text = cleaned(text)
    if kind == "text" and known in ("system", "tool"):
        kind = "system" if known == "system" else "tool"
    elif kind == "text" and not text:
        kind = "deleted"
    return Message(
        conversation, id or f"{conversation}/{n}", speaker, known, at, text, kind, kind == "text", "", offset
    )


def text_of(content: Any) -> str:
    """Of a string, a block with a text, or a list of such blocks; pictures, tools and thoughts have none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(text_of, content)))
    if isinstance(content, dict) and content.get("type", "text") in ("text", "input_text", "output_text"):
        return content["text"] if isinstance(content.get("text"), str) else ""
    return ""


def time_of(value: Any) -> datetime | None:
    """ISO 8601 text, or seconds or milliseconds since 1970; aware where a zone is told or the value is a number."""
    try:
        if isinstance(value, dict):  # MongoDB's extended JSON
            value = value.get("$date", value.get("$numberLong"))
            return time_of(value)
        if isinstance(value, str) and value.strip().lstrip("-").isdigit():
            value = int(value)
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            seconds = value / 1000 if value > LATEST else value
            return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < LATEST else None
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at
    except (TypeError, ValueError, OverflowError, OSError):
        return None
