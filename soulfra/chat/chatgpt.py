"""ChatGPT's `conversations.json`: each conversation is a tree, of which `current_node` names the branch one sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from soulfra.chat.array import elements
from soulfra.chat.message import Kind, Message, Part, Progress, Recognition, Role, Skipped, batches, cleaned
from soulfra.chat.roles import LATEST

ROLES: dict[str, tuple[str, Role]] = {
    "user": ("You", "person"),
    "assistant": ("ChatGPT", "assistant"),
    "system": ("system", "system"),
    "tool": ("tool", "tool"),
}
KINDS: dict[str, Kind] = {
    "text": "text",
    "multimodal_text": "text",
    "code": "text",
    "thoughts": "reasoning",
    "reasoning_recap": "reasoning",
    "user_editable_context": "system",
}


class Author(msgspec.Struct):
    role: str = ""


class Said(msgspec.Struct):
    author: Author = msgspec.field(default_factory=Author)
    id: str | None = None
    create_time: float | None = None
    content: Any = None
    recipient: str | None = "all"
    metadata: Any = None


class Node(msgspec.Struct):
    message: Said | None = None
    parent: str | None = None
    children: list[str] | None = None


class Conversation(msgspec.Struct):
    """a conversation"""

    mapping: dict[str, Node]
    id: str | None = None
    conversation_id: str | None = None
    current_node: str | None = None
    create_time: float | None = None


class ChatGPT:
    """OpenAI's data export, as one file, in shards or in its zip."""

    name, title, divides = "chatgpt", "ChatGPT", True
    members = re.compile(r"(^|/)conversations(-\d{3})?\.json$")

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if b'"mapping"' in head and (b'"current_node"' in head or b'"create_time"' in head):
            return Recognition(self.name, 0.99, "its conversations are trees with a mapping, as ChatGPT exports them")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        return batches(
            message
            for at, conversation in elements(part.path, Conversation, skipped, progress, part.span)
            for message in _messages(conversation, at)
        )


def _messages(conversation: Conversation, at: int) -> Iterator[Message]:
    """The active branch first, in its order, then what lies on other branches."""
    name = conversation.conversation_id or conversation.id or f"byte {at}"
    active = _branch(conversation)
    others = [node for node in conversation.mapping if node not in active]
    for node in (*active, *others):
        if (said := conversation.mapping[node].message) is not None:
            parent = conversation.mapping[node].parent or ""
            yield _message(said, name, node, parent, at, seen=node in active)


def _branch(conversation: Conversation) -> dict[str, None]:
    """From the root to the current node; the newest leaf where that is missing. A cycle ends the walk."""
    mapping = conversation.mapping
    at: str | None = conversation.current_node
    if at not in mapping:
        at = max(
            (node for node in mapping if not mapping[node].children),
            key=lambda node: _time(mapping[node]),
            default=None,
        )
    path: dict[str, None] = {}
    while at in mapping and at not in path:
        path[at] = None
        at = mapping[at].parent
    return dict.fromkeys(reversed(path))


def _time(node: Node) -> float:
    return (node.message.create_time if node.message else None) or 0.0


def _message(said: Said, conversation: str, node: str, parent: str, at: int, seen: bool) -> Message:
    content = said.content if isinstance(said.content, dict) else {}
    metadata = said.metadata if isinstance(said.metadata, dict) else {}
    speaker, role = ROLES.get(said.author.role, ("tool", "tool"))
    kind = KINDS.get(str(content.get("content_type")), "tool")
    if role in ("system", "tool"):
        kind = "system" if role == "system" else "tool"
    text = cleaned(_text(content))
    shown = seen and kind == "text" and said.recipient in ("all", None) and bool(text)
    hidden = bool(metadata.get("is_visually_hidden_from_conversation"))
    return Message(
        conversation, said.id or node, speaker, role, _at(said), text, kind, shown and not hidden, parent, at
    )


def _text(content: dict[str, Any]) -> str:
    parts = content.get("parts")
    if isinstance(parts, list):
        return "\n".join(part for part in parts if isinstance(part, str))
    return content["text"] if isinstance(content.get("text"), str) else ""


def _at(said: Said) -> datetime | None:
    if said.create_time is None or not 0 < said.create_time < LATEST:
        return None
    return datetime.fromtimestamp(said.create_time, UTC)


FORMAT = ChatGPT()
