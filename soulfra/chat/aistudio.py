"""Google AI Studio's saved prompts: `{"chunkedPrompt": {"chunks": [{"role", "text", "isThought"}]}}`, one file each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from soulfra.chat.array import pages_of
from soulfra.chat.message import Message, Part, Progress, Recognition, Skipped, batches
from soulfra.chat.roles import time_of, turn


class Chunked(msgspec.Struct):
    chunks: list[Any]


class Prompt(msgspec.Struct):
    chunkedPrompt: Chunked  # noqa: N815  (Google's name)


class AIStudio:
    """As it lies in Google Drive."""

    name, title = "aistudio", "AI Studio"
    members = re.compile(r"(^|/)Google AI Studio/[^/]+$", re.I)

    def recognises(self, head: bytes, name: str) -> Recognition | None:
        if b'"chunkedPrompt"' in head:
            return Recognition(self.name, 0.97, "it holds a chunkedPrompt, as AI Studio saves it")
        return None

    def read(self, part: Part, skipped: Skipped, progress: Progress) -> Iterator[list[Message]]:
        return batches(_messages(part, skipped, progress))


def _messages(part: Part, skipped: Skipped, progress: Progress) -> Iterator[Message]:
    with pages_of(part.path, Prompt) as (pages, prompt):
        name = part.name.rpartition("/")[2] or "prompt"
        for n, chunk in enumerate(prompt.chunkedPrompt.chunks):
            if not isinstance(chunk, dict) or not isinstance(chunk.get("text"), str):
                skipped.add("a part without text")
                continue
            kind = "reasoning" if chunk.get("isThought") else "text"
            yield turn(name, n, str(chunk.get("role") or ""), chunk["text"], time_of(chunk.get("createTime")), 0, kind)  # type: ignore[arg-type]
        progress(len(pages))


FORMAT = AIStudio()
