"""Which language is spoken, block by block, and what each remark of a person says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from soulfra.chat.message import Message
from soulfra.insights.insight import LONG, Heard, Portion
from soulfra.words import Language, language_of
from soulfra.words.language import NOTHING, Read

BLOCK = 50  # messages of which the language is told at once
PROBE = 160  # characters of each of them that are looked at
LEAST = 12  # words, below which the language is taken to be that of the block before
ENOUGH = 120  # words by which it is told
SESSION = timedelta(hours=8)  # a longer silence ends a session
NOT_READ: Read = (NOTHING, ())


class Hearing:
    """`spoken` counts remarks by language; those in a language that is not known are under the empty name."""

    def __init__(self) -> None:
        self.spoken: Counter[str] = Counter()
        self._language: Language | None = None
        self._last: Message | None = None  # of a person, visible

    def hear(self, batch: Sequence[Message]) -> Portion:
        all = [heard for at in range(0, len(batch), BLOCK) for heard in self._block(batch[at : at + BLOCK])]
        seen = [heard for heard in all if heard[0].visible]
        people = [heard for heard in seen if heard[0].role == "person"]
        opening = []
        for message, _, _, _ in people:
            if opens(self._last, message):
                opening.append(message)
            self._last = message
        return Portion(all, seen, people, [heard for heard in people if heard[1]], opening)

    def _block(self, block: Sequence[Message]) -> list[Heard]:
        language = self._language = self._told(block)
        remarks = [message.role == "person" and message.visible and len(message.text) < LONG for message in block]
        self.spoken[language.code if language is not None else ""] += sum(remarks)
        if language is None:
            return [(message, NOTHING, (), None) for message in block]
        read = language.read
        return [
            (message, *(read(message.text) if remark else NOT_READ), language)
            for message, remark in zip(block, remarks, strict=True)
        ]

    def _told(self, block: Sequence[Message]) -> Language | None:
        words = _words(block)
        return self._language if self._language and len(words) < LEAST else language_of(words, self._language)

    def close(self) -> None:
        self._language = self._last = None

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


def opens(before: Message | None, message: Message) -> bool:
    """Whether a message opens a session: the first of its conversation, or the first after a long silence."""
    if before is None or before.conversation != message.conversation:
        return True
    return bool(before.at and message.at and message.at - before.at >= SESSION)
