"""Slack's workspace export: a zip with a folder for each channel and a file for each day."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from soulfra.chat.array import elements
from soulfra.chat.message import Kind, Message, Part, Progress, Recognition, Role, Skipped, batches, cleaned, kind_of

SAID = {None, "", "thread_broadcast", "me_message", "file_share", "bot_message", "reply_broadcast", "file_comment"}
MARKED = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
DAY = re.compile(r"(?:^|/)([^/]+)/\d{4}-\d\d-\d\d\.json$")


class Said(msgspec.Struct):
    """a message"""

    ts: str
    type: str = "message"
    user: str | None = None
    username: str | None = None
    bot_id: str | None = None
    subtype: str | None = None
    text: str | None = None
    thread_ts: str | None = None
    files: Any = None
    file: Any = None
    user_profile: Any = None
    attachments: Any = None
    comment: Any = None


class Slack:
    """The zip that a workspace's owner exports; a single day's file is read too, without names."""

    name, title = "slack", "Slack"
    members = DAY

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        spoken = re.search(rb'"type"\s*:\s*"message"', head)
        if spoken and re.search(rb'"ts"\s*:\s*"\d{9,}\.\d+"', head):
            return Recognition(self.name, 0.95, "its messages have a type and a ts, as Slack exports them")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        found = DAY.search(part.name)
        channel = found[1] if found else "channel"
        return batches(
            _message(said, channel, at, part)
            for at, said in elements(part.path, Said, skipped, progress)
            if _counts(said, skipped, at)
        )


def _counts(said: Said, skipped: Skipped, at: int) -> bool:
    if said.type != "message":
        skipped.add(f"an entry of the type {said.type[:40]}", f"byte {at}")
        return False
    return True


def _message(said: Said, channel: str, at: int, part: Part) -> Message:
    bot = said.subtype == "bot_message" or (said.bot_id is not None and said.user is None)
    spoken = said.subtype in SAID
    text = cleaned(_text(said.text or _attached(said), part))
    media = bool(said.files or said.file)
    kind: Kind = "deleted" if said.subtype == "tombstone" else kind_of(text, media, spoken)
    role: Role = "system" if not spoken else "tool" if bot or _is_bot(said, part) else "person"
    reply = said.thread_ts if said.thread_ts and said.thread_ts != said.ts else ""
    return Message(channel, said.ts, _speaker(said, part), role, _at(said.ts), text, kind, kind == "text", reply, at)


def _speaker(said: Said, part: Part) -> str:
    commented = said.comment.get("user") if isinstance(said.comment, dict) else None
    identity = said.user or said.bot_id or said.username or (commented if isinstance(commented, str) else "unknown")
    profile = said.user_profile if isinstance(said.user_profile, dict) else {}
    name = _name(identity, part) or said.username or profile.get("real_name") or profile.get("name") or identity
    return part.export.names.of(identity, str(name))


def _attached(said: Said) -> str:
    """What bots say stands in attachments."""
    attachments = (
        [one for one in said.attachments if isinstance(one, dict)] if isinstance(said.attachments, list) else []
    )
    texts = ([one.get(name) for name in ("pretext", "title", "text")] for one in attachments)
    return "\n".join(text for some in texts for text in some if isinstance(text, str) and text)


def _users(part: Part) -> dict[str, Any]:
    users = part.export.beside(_beside(part, "users.json"))
    return {user["id"]: user for user in users or () if isinstance(user, dict) and isinstance(user.get("id"), str)}


def _beside(part: Part, name: str) -> str:
    """The zip may have a folder around everything."""
    found = DAY.search(part.name)
    return (part.name[: found.start(1)] if found else "") + name


def _name(identity: str, part: Part) -> str:
    user = _known(identity, part)
    profile = user.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    for name in (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name")):
        if isinstance(name, str) and name:
            return name
    return ""


def _known(identity: str, part: Part) -> dict[str, Any]:
    memo: dict[str, Any] = part.export.memo.setdefault("slack users", {})
    if not memo:
        memo.update(_users(part) or {"": {}})
    found = memo.get(identity)
    return found if isinstance(found, dict) else {}


def _is_bot(said: Said, part: Part) -> bool:
    return bool(said.user and _known(said.user, part).get("is_bot"))


def _text(text: str, part: Part) -> str:
    """Mentions by name, links by their label."""
    return html.unescape(MARKED.sub(lambda found: _shown(found[1], found[2], part), text))


def _shown(target: str, label: str | None, part: Part) -> str:
    match target[:1]:
        case "@":
            return "@" + (label or _name(target[1:], part) or target[1:])
        case "#":
            return "#" + (label or target[1:])
        case "!":
            return "@" + (label or target[1:].partition("^")[0]).lstrip("@")
    return label or target


def _at(ts: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(ts), UTC)
    except (ValueError, OverflowError, OSError):
        return None


FORMAT = Slack()
