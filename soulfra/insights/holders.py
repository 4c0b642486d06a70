"""Whose answers end a question."""

from __future__ import annotations

from soulfra.chat.message import Message
from soulfra.insights.hearing import opens
from soulfra.insights.insight import Best, Insight, Portion, Reader, percent, share_confidence

NEXT = 5  # messages in which an answer is looked for
THREADS = 10
ANSWER = 12  # characters; shorter is no answer


class Holders:
    """A question is ended by the first answer of somebody else after which the asker asks nothing more in that session."""

    def __init__(self) -> None:
        self.ended: dict[str, int] = {}
        self.best: dict[str, Best] = {}
        self._asked: Message | None = None
        self._answer: Message | None = None
        self._seen = 0

    def update(self, portion: Portion) -> None:
        for message, said, _, _ in portion.people:
            if self._asked is not None or "question" in said:
                self._follow(message, "question" in said)

    def _follow(self, message: Message, asks: bool) -> None:
        asked = self._asked
        if asked is not None and opens(asked, message):
            self._end()
            asked = None
        if asked is not None and self._answer is None:
            self._seen += 1
            if message.speaker != asked.speaker and not asks and len(message.text) >= ANSWER:
                self._answer = message
            elif self._seen >= NEXT:
                self._asked = None
        if asks and (asked is None or message.speaker == asked.speaker or self._asked is None):
            if asked is not None and self._answer is not None and message.speaker != asked.speaker:
                self._end()
            self._asked, self._answer, self._seen = message, None, 0

    def _end(self) -> None:
        answer, self._asked, self._answer, self._seen = self._answer, None, None, 0
        if answer is not None:
            self.ended[answer.speaker] = self.ended.get(answer.speaker, 0) + 1
            self.best.setdefault(answer.speaker, Best()).add(len(answer.text), answer)

    def merge(self, other: Holders) -> None:
        self._end()
        for speaker, n in other.ended.items():
            self.ended[speaker] = self.ended.get(speaker, 0) + n
            self.best.setdefault(speaker, Best()).merge(other.best[speaker])
        self._asked, self._answer, self._seen = other._asked, other._answer, other._seen

    def result(self, reader: Reader) -> list[Insight]:
        self._end()
        n = sum(self.ended.values())
        if n < THREADS or len(self.ended) < 2 or not reader.understood:
            return []
        holder = max(self.ended, key=lambda speaker: (self.ended[speaker], speaker))
        mine = self.ended[holder]
        return [
            Insight(
                "holders", "holders", "Who knows",
                f"{holder}'s answer ended {mine} of {n} questions ({percent(mine / n)}).",
                round(mine / n, 4), "share", round(1 / len(self.ended), 4), n,
                round(reader.precision("question") * share_confidence(mine, n), 4), 0.6,
                self.best[holder].evidence(), "the first answer of somebody else after which the asker asks nothing more in that session",
                f"Write down what only {holder} knows, before it is missing.", (reader.caveat("question"),),
            )
        ]  # fmt: skip
