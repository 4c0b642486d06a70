"""How a person writes, as numbers. A communication style, never a diagnosis of the person."""

from __future__ import annotations

import re
from collections.abc import Mapping

from soulfra.insights.insight import Portion
from soulfra.words.language import plain

LISTS = frozenset("-*•0123456789 \t")  # with which a line of a list may begin
LISTED = re.compile(r"^\s*([-*•]|\d+[.)])\s", re.M)
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
FEATURES = ("length", "asking", "polite", "casual", "positive", "code", "structure", "emoji", "emphasis")


class Style:
    """Adds up one person's visible messages."""

    def __init__(self) -> None:
        self.n = self.words = 0
        self.counts = dict.fromkeys(FEATURES[1:], 0)

    def update(self, portion: Portion, owner: str) -> None:
        for message, said, _, _ in portion.seen:
            if message.speaker == owner:
                self._count(message.text, said)

    def _count(self, text: str, said: Mapping[str, float]) -> None:
        words = plain(text)
        self.n += 1
        self.words += words.count(" ") + words.count("\n") + bool(words)
        seen = {
            "asking": "question" in said,
            "polite": "polite" in said,
            "casual": "casual" in said,
            "code": "```" in text or "`" in text,
            "structure": ("\n" in text or text[:1] in LISTS) and bool(LISTED.search(text)),
            "emoji": not text.isascii() and bool(EMOJI.search(text)),
            "emphasis": "!" in words,
        }
        for name, there in seen.items():
            self.counts[name] += there
        self.counts["positive"] += ("good" in said) - ("bad" in said)

    def merge(self, other: Style) -> None:
        self.n, self.words = self.n + other.n, self.words + other.words
        for name, count in other.counts.items():
            self.counts[name] += count

    def vector(self) -> dict[str, float]:
        """Shares of messages in [0, 1], `positive` in [-1, 1], `length` in words per message. Empty without messages."""
        if not self.n:
            return {}
        shares = {name: round(count / self.n, 4) for name, count in self.counts.items()}
        return {"length": round(self.words / self.n, 2), **shares, "n": float(self.n)}
