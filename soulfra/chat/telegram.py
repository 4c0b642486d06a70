"""Telegram Desktop's `result.json`: one chat, or every chat of an account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from soulfra.chat.array import each, pages_of
from soulfra.chat.message import (
    ALL,
    Message,
    Names,
    Part,
    Progress,
    Recognition,
    Role,
    Skipped,
    Span,
    batches,
    cleaned,
    kind_of,
)

MEDIA = ("photo", "file", "sticker_emoji", "media_type", "location_information", "contact_information", "poll")
GONE = "(deleted account)"


class Said(msgspec.Struct, rename={"from_": "from"}):
    """a message"""

    id: int | str = ""
    type: str = "message"
    date: str | None = None
    date_unixtime: str | int | None = None
    from_: str | None = None
    from_id: str | int | None = None
    actor: str | None = None
    actor_id: str | int | None = None
    action: str | None = None
    text: Any = None
    reply_to_message_id: int | str | None = None
    photo: Any = None
    file: Any = None
    media_type: str | None = None
    sticker_emoji: str | None = None
    location_information: Any = None
    contact_information: Any = None
    poll: Any = None


class Chat(msgspec.Struct):
    """a chat"""

    messages: list[msgspec.Raw]
    id: int | str = ""
    name: str | None = None


class Chats(msgspec.Struct):
    all: list[msgspec.Raw] = msgspec.field(name="list", default_factory=list)


class Result(msgspec.Struct):
    """Either the one chat's own keys, or those of an account."""

    messages: list[msgspec.Raw] | None = None
    id: int | str = ""
    name: str | None = None
    chats: Chats | None = None
    left_chats: Chats | None = None


class Telegram:
    """Telegram Desktop's machine-readable export, as one file or in a zip."""

    name, title, divides = "telegram", "Telegram", True
    members = re.compile(r"(^|/)result\.json$")

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        marks = (b'"date_unixtime"' in head, b'"from_id"' in head, b'"actor_id"' in head)
        if b'"messages"' in head and any(marks) and b'"date"' in head:
            return Recognition(
                self.name, 0.97, "its messages have dates and from_ids, as Telegram Desktop exports them"
            )
        if b'"personal_information"' in head and b'"chats"' in head:
            return Recognition(self.name, 0.9, "it is an account with chats, as Telegram Desktop exports one")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        return batches(_messages(part, skipped, progress))


def _messages(part: Part, skipped: Skipped, progress: Progress) -> Iterator[Message]:
    with pages_of(part.path, Result) as (pages, result):
        if result.messages is not None:
            name = str(result.id or result.name or "chat")
            yield from _of_chat(result.messages, name, 0, pages, part, skipped, progress, part.span)
        for chats in (result.chats, result.left_chats):
            for at, chat in each(pages, chats.all if chats else [], Chat, skipped, progress, span=part.span):
                name = str(chat.id or chat.name or f"byte {at}")
                yield from _of_chat(chat.messages, name, at, pages, part, skipped, progress)


def _of_chat(
    raws: list[msgspec.Raw],
    chat: str,
    at: int,
    pages: Any,
    part: Part,
    skipped: Skipped,
    progress: Progress,
    span: Span = ALL,
) -> Iterator[Message]:
    for offset, said in each(pages, raws, Said, skipped, progress, at, span):
        yield _message(said, chat, offset, part.export.names)


def _message(said: Said, chat: str, offset: int, names: Names) -> Message:
    service = said.type != "message"
    who, identity = (said.actor, said.actor_id) if service else (said.from_, said.from_id)
    speaker = names.of(str(identity or who or GONE), who or GONE)
    text = cleaned(_text(said.text)) or (said.action or "" if service else "")
    media = any(getattr(said, name) for name in MEDIA)
    kind = kind_of(text, media, spoken=not service)
    role: Role = "system" if service else "person"
    reply = str(said.reply_to_message_id or "")
    return Message(chat, str(said.id), speaker, role, _at(said), text, kind, kind == "text", reply, offset)


def _text(text: Any) -> str:
    """A string, or a list of strings and of objects that have one."""
    if isinstance(text, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in text)
        return "".join(part for part in parts if isinstance(part, str))
    return text if isinstance(text, str) else ""


def _at(said: Said) -> datetime | None:
    """In UTC where the export says so; older exports have the time of the phone."""
    try:
        if said.date_unixtime is not None:
            return datetime.fromtimestamp(int(said.date_unixtime), UTC)
        return datetime.fromisoformat(said.date or "")
    except (ValueError, OverflowError, OSError):
        return None


FORMAT = Telegram()
