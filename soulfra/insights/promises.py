"""What was asked, promised and decided, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from soulfra.chat.message import Message
from soulfra.insights.insight import Best, Insight, Portion, Reader, percent, share_confidence
from soulfra.insights.remembered import Remembered

WAIT = timedelta(hours=24)  # a question is open without another speaker's word in that time
NEXT = 5  # and that many messages
WATCHED = 200  # promises whose fulfilment is watched at a time


class Waiting:
    """Messages that wait for anybody else's word in their conversation; `late` tells whether such a word comes too late.

    It is asked with the message that waited, how many more its speaker has written since, and the one that came.
    """

    def __init__(self, late: Callable[[Message, int, Message], bool]) -> None:
        self._late = late
        self._waiting: list[tuple[Message, int]] = []
        self._conversation = ""
        self._first: Message | None = None  # that was heard
        self._more = 0  # of its speaker, until
        self._turn: Message | None = None  # the first of anybody else

    def add(self, message: Message) -> None:
        self._waiting.append((message, 0))

    def hear(self, message: Message) -> list[tuple[Message, bool]]:
        """Those that wait no more, and whether they were left open."""
        if self._turn is None:
            self._begin(message)
        ended = []
        if message.conversation != self._conversation:
            ended = self.close()
            self._conversation = message.conversation
        if not self._waiting:
            return ended
        ended += [(one, self._late(one, n, message)) for one, n in self._waiting if one.speaker != message.speaker]
        self._waiting = [(one, n + 1) for one, n in self._waiting if one.speaker == message.speaker]
        return ended

    def _begin(self, message: Message) -> None:
        first = self._first
        if first is None:
            self._first = message
        elif first.speaker == message.speaker and first.conversation == message.conversation:
            self._more += 1
        else:
            self._turn = message

    def merge(self, other: Waiting) -> list[tuple[Message, bool]]:
        """Hears what another one heard behind it: those that wait no more."""
        if other._first is None:
            return []
        ended = self.hear(other._first)
        self._waiting = [(one, n + other._more) for one, n in self._waiting]
        if other._turn is not None:
            ended += self.hear(other._turn)
        self._waiting += other._waiting
        self._conversation = other._conversation
        return ended

    def withdraw(self, conversation: str) -> int:
        """What waits in a conversation does not count after all; how many that were."""
        if conversation != self._conversation:
            return 0
        n, self._waiting = len(self._waiting), []
        return n

    def close(self) -> list[tuple[Message, bool]]:
        """Nobody will say anything any more."""
        ended, self._waiting = [(one, True) for one, _ in self._waiting], []
        return ended


class OpenLoops:
    """Questions that nobody took up."""

    def __init__(self) -> None:
        self.asked = self.open = 0
        self.best = Best()
        self._waiting = Waiting(_late)

    def update(self, portion: Portion) -> None:
        for message, said, _, _ in portion.seen:
            self._leave(self._waiting.hear(message))
            if "question" in said:
                self.asked += 1
                self._waiting.add(message)

    def _leave(self, ended: list[tuple[Message, bool]]) -> None:
        for question, open in ended:
            if open:
                self.open += 1
                self.best.add(len(question.text), question)

    def merge(self, other: OpenLoops) -> None:
        self._leave(self._waiting.merge(other._waiting))
        self.asked, self.open = self.asked + other.asked, self.open + other.open
        self.best.merge(other.best)

    def result(self, reader: Reader) -> list[Insight]:
        self._leave(self._waiting.close())
        if self.asked < 10 or not self.open or not reader.understood:
            return []
        share = self.open / self.asked
        return [
            Insight(
                "open-loops", "open_loops", "Questions left open",
                f"{self.open} of {self.asked} questions ({percent(share)}) got no word from anyone else.",
                round(share, 4), "share", None, self.asked, round(reader.precision("question") * share_confidence(self.open, self.asked), 4), 0.8,
                self.best.evidence(), "a question with no other speaker's message after it in the same conversation",
                "Answer or drop the ones below; ask again where it still matters.", (reader.caveat("question"),),
            )
        ]  # fmt: skip


class Commitments:
    """What people said they would do, and whether they said that it was done."""

    def __init__(self) -> None:
        self.made = self.kept = 0
        self.best = Best()
        self._watched = Remembered[Message](WATCHED)
        self._conversation = ""

    def update(self, portion: Portion) -> None:
        for message, said, terms, _ in portion.telling:
            if "done" in said or "promise" in said:
                if message.conversation != self._conversation:
                    self._close()
                    self._conversation = message.conversation
                self._follow(message, said, terms)

    def _follow(self, message: Message, said: Mapping[str, float], terms: tuple[str, ...]) -> None:
        if "done" in said:
            for n, promise in self._watched.sharing(terms):
                if promise.speaker == message.speaker:
                    self._watched.forget(n)
                    self.kept += 1
        if "promise" in said:
            self.made += 1
            if (oldest := self._watched.add(message, terms)) is not None:
                self._leave(oldest)

    def _leave(self, promise: Message) -> None:
        self.best.add(-promise.offset, promise)

    def _close(self) -> None:
        for promise in self._watched:
            self._leave(promise)
        self._watched = Remembered(WATCHED)

    def merge(self, other: Commitments) -> None:
        self._close()
        self.made, self.kept = self.made + other.made, self.kept + other.kept
        self.best.merge(other.best)
        self._watched, self._conversation = other._watched, other._conversation

    def result(self, reader: Reader) -> list[Insight]:
        if self.made < 3 or not reader.understood:
            return []
        self._close()
        still = self.made - self.kept
        return [
            Insight(
                "commitments", "commitments", "Promises and what became of them",
                f"{self.made} promises were made; {still} were never said to be done.",
                float(still), "promises", None, self.made, round(reader.precision("promise") * share_confidence(still, self.made), 4), 0.9,
                self.best.evidence(), "a promise is closed by a later «done» of the same person in the same conversation that shares two rare words",
                "Go through the open ones: do, delegate or say that it will not happen.", (reader.caveat("promise"), reader.caveat("done")),
            )
        ]  # fmt: skip


class Decisions:
    """What was settled."""

    def __init__(self) -> None:
        self.n = 0
        self.best = Best()

    def update(self, portion: Portion) -> None:
        for message, said, _, _ in portion.telling:
            if "decision" in said:
                self.n += 1
                self.best.add(said["decision"], message)

    def merge(self, other: Decisions) -> None:
        self.n += other.n
        self.best.merge(other.best)

    def result(self, reader: Reader) -> list[Insight]:
        if self.n < 2 or not reader.understood:
            return []
        return [
            Insight(
                "decisions", "decisions", "Decisions taken", f"{self.n} decisions were put into words.",
                float(self.n), "decisions", None, self.n, round(reader.precision("decision") * self.n / (self.n + 2), 4), 0.7,
                self.best.evidence(), "remarks that say that something is settled",
                "Write them down where the others look; check the oldest still hold.", (reader.caveat("decision"),),
            )
        ]  # fmt: skip


def _late(question: Message, more: int, message: Message) -> bool:
    apart = message.at - question.at if question.at and message.at else WAIT * 2
    return more >= NEXT and apart > WAIT
