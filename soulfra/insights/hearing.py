"""Which language is spoken, block by block, and what each remark of a person says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from soulfra.chat.message import Message
from soulfra.insights.insight import LONG, Heard
from soulfra.words import Language, language_of
from soulfra.words.language import NOTHING, Read

BLOCK = 50  # messages of which the language is told at once
PROBE = 160  # characters of each of them that are looked at
LEAST, ENOUGH = (
    12,
    120,
)  # words, below which the language is taken to be that of the block before, and that are looked at
NOT_READ: Read = (NOTHING, ())


class Hearing:
    """`spoken` counts remarks by language; those in a language that is not known are under the empty name."""

    def __init__(self) -> None:
        self.spoken: Counter[str] = Counter()
        self._language: Language | None = None

    def hear(self, batch: Sequence[Message]) -> list[Heard]:
        return [heard for at in range(0, len(batch), BLOCK) for heard in self._block(batch[at : at + BLOCK])]

    def _block(self, block: Sequence[Message]) -> list[Heard]:
        words = _words(block)
        if self._language is None or len(words) >= LEAST:
            self._language = language_of(words, self._language)
        language = self._language
        self.spoken[language.code if language is not None else ""] += sum(map(is_remark, block))
        if language is None:
            return [(message, NOTHING, (), None) for message in block]
        read = language.read
        return [(message, *(read(message.text) if is_remark(message) else NOT_READ), language) for message in block]

    def close(self) -> None:
        self._language = None

    def merge(self, other: Hearing) -> None:
        self.spoken.update(other.spoken)

    @property
    def shares(self) -> dict[str, float]:
        """Of the known languages."""
        remarks = sum(self.spoken.values()) or 1
        return {code: n / remarks for code, n in sorted(self.spoken.items()) if code}


def _words(block: Sequence[Message]) -> list[str]:
    words: list[str] = []
    for message in block:
        if message.visible:
            words += message.text[:PROBE].split()
            if len(words) >= ENOUGH:
                break
    return words


def is_remark(message: Message) -> bool:
    """Whether a person says something short enough to be one thing."""
    return message.role == "person" and message.visible and len(message.text) < LONG
