"""Which language is spoken, block by block, and what each remark of a person says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from soulfra.chat.message import Message
from soulfra.insights.insight import LONG, Portion
from soulfra.words import Language, language_of
from soulfra.words.language import NOTHING, Read

BLOCK = 50  # messages of which the language is told at once
PROBE = 160  # characters of each of them that are looked at
LEAST = 12  # words, below which the language is taken to be that of the block before
ENOUGH = 80  # words by which it is told
SESSION = timedelta(hours=8)  # a longer silence ends a session
NOT_READ: Read = (NOTHING, ())


class Hearing:
    """`spoken` counts remarks by language; those in a language that is not known are under the empty name."""

    def __init__(self) -> None:
        self.spoken: Counter[str] = Counter()
        self._language: Language | None = None
        self._last: Message | None = None  # of a person, visible

    def hear(self, batch: Sequence[Message]) -> Portion:
        portion = Portion([], [], [], [], [])
        for at in range(0, len(batch), BLOCK):
            self._hear(list(batch[at : at + BLOCK]), portion)
        last = self._last
        for message, _, _, _ in portion.people:
            if opens(last, message):
                portion.opening.append(message)
            last = message
        self._last = last
        return portion

    def _hear(self, block: list[Message], portion: Portion) -> None:
        language = self._language = self._told(block)
        all, seen, people, telling, _ = portion
        if language is not None and language.words is not None:
            remarks = language.words.hear(block, LONG, language, all, seen, people, telling)
        else:
            remarks = self._read(block, language, portion)
        self.spoken[language.code if language is not None else ""] += remarks

    def _read(self, block: list[Message], language: Language | None, portion: Portion) -> int:
        """Adds to a portion. Returns how many remarks there are."""
        remarks = 0
        for message in block:
            is_people = message.role == "person" and message.visible
            is_remark = is_people and len(message.text) < LONG
            said, terms = language.read(message.text) if is_remark and language is not None else NOT_READ
            heard = (message, said, terms, language)
            remarks += is_remark
            portion.all.append(heard)
            if message.visible:
                portion.seen.append(heard)
            if is_people:
                portion.people.append(heard)
            if said:
                portion.telling.append(heard)
        return remarks

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
    at, then = message.at, before.at
    return at is not None and then is not None and at - then >= SESSION
