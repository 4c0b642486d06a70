"""Claude's `conversations.json`: messages in a list; the answer may stand in content blocks instead of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from soulfra.chat.array import elements
from soulfra.chat.message import Kind, Message, Part, Progress, Recognition, Role, Skipped, batches, cleaned, utc_of

SPEAKERS: dict[str, tuple[str, Role]] = {"human": ("You", "person"), "assistant": ("Claude", "assistant")}


class Said(msgspec.Struct):
    uuid: str | None = None
    sender: str | None = None
    text: str | None = None
    content: Any = None
    created_at: str | None = None
    parent_message_uuid: str | None = None


class Conversation(msgspec.Struct):
    """a conversation"""

    chat_messages: list[Said]
    uuid: str | None = None
    name: str | None = None


class Claude:
    """Anthropic's data export, as one file or in its zip."""

    name, title, divides = "claude", "Claude", True
    members = re.compile(r"(^|/)conversations\.json$")

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if b'"chat_messages"' in head and (b'"sender"' in head or b'"account"' in head):
            return Recognition(
                self.name, 0.99, "its conversations hold chat_messages with senders, as Claude exports them"
            )
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        return batches(
            message
            for at, conversation in elements(part.path, Conversation, skipped, progress, part.span)
            for message in _messages(conversation, at, skipped)
        )


def _messages(conversation: Conversation, at: int, skipped: Skipped) -> Iterator[Message]:
    name = conversation.uuid or f"byte {at}"
    if not conversation.chat_messages or not any(_text(said) for said in conversation.chat_messages):
        skipped.add("a deleted conversation left an empty shell", f"byte {at}")
    active = _branch(conversation.chat_messages)
    for k, said in enumerate(conversation.chat_messages):
        speaker, role = SPEAKERS.get(said.sender or "", ("system", "system"))
        text = cleaned(_text(said))
        seen = bool(text) and role != "system" and (active is None or said.uuid in active)
        kind: Kind = "system" if role == "system" else "text" if text else "deleted"
        parent = said.parent_message_uuid or ""
        yield Message(
            name,
            said.uuid or f"{name}/{k}",
            speaker,
            role,
            utc_of(said.created_at),
            text,
            kind,
            seen,
            parent,
            at,
        )


def _branch(messages: list[Said]) -> set[str] | None:
    """The path that ends at the last message, where the export links messages; else all of them."""
    parents = {said.uuid: said.parent_message_uuid for said in messages if said.uuid}
    if not any(parent in parents for parent in parents.values()):
        return None
    at, path = messages[-1].uuid, set[str]()
    while at and at in parents and at not in path:
        path.add(at)
        at = parents[at]
    return path


def _text(said: Said) -> str:
    """The text blocks of the content, or the text. Thinking and tool blocks are not what a person sees."""
    blocks = said.content if isinstance(said.content, list) else []
    texts = [
        block["text"]
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)
    ]
    return "\n".join(texts) or said.text or ""


FORMAT = Claude()
