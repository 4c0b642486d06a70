"""How a person writes, as numbers. A communication style, never a diagnosis of the person."""

from __future__ import annotations

import re
from collections.abc import Sequence

from soulfra.chat.message import Message
from soulfra.insights import cues

POLITE = re.compile(r"\b(please|thank you|thanks|could you|would you|kindly|regards|dear)\b", re.I)
CASUAL = re.compile(r"\b(lol|haha+|gonna|wanna|yeah|yep|nah|btw|omg|hey)\b", re.I)
GLAD = re.compile(r"\b(great|good|nice|love|perfect|awesome|excellent|happy|works|glad|cool)\b", re.I)
SORRY = re.compile(r"\b(bad|wrong|broken|hate|terrible|annoying|fail(ed|s)?|error|problem|issue|worried)\b", re.I)
LISTED = re.compile(r"^\s*([-*•]|\d+[.)])\s", re.M)
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
FEATURES = ("length", "asking", "polite", "casual", "positive", "code", "structure", "emoji", "emphasis")


class Style:
    """Adds up one person's visible messages."""

    def __init__(self) -> None:
        self.n = self.words = self.net = 0
        self.counts = dict.fromkeys(FEATURES[1:], 0)

    def update(self, batch: Sequence[Message], owner: str) -> None:
        for message in batch:
            if message.visible and message.speaker == owner:
                self._count(message.text)

    def _count(self, text: str) -> None:
        plain = cues.plain(text)
        self.n += 1
        self.words += len(plain.split())
        seen = {
            "asking": bool(cues.QUESTION.search(plain)),
            "polite": bool(POLITE.search(plain)),
            "casual": bool(CASUAL.search(plain)),
            "code": "```" in text or "`" in text,
            "structure": bool(LISTED.search(text)),
            "emoji": bool(EMOJI.search(text)),
            "emphasis": "!" in plain,
        }
        for name, there in seen.items():
            self.counts[name] += there
        self.counts["positive"] += bool(GLAD.search(plain)) - bool(SORRY.search(plain))

    def vector(self) -> dict[str, float]:
        """Shares of messages in [0, 1], `positive` in [-1, 1], `length` in words per message. Empty without messages."""
        if not self.n:
            return {}
        shares = {name: round(count / self.n, 4) for name, count in self.counts.items()}
        return {"length": round(self.words / self.n, 2), **shares, "n": float(self.n)}
