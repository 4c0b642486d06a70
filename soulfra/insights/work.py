"""What is to be done, what is in the way, and what could be won."""

from __future__ import annotations

from soulfra.chat.message import Message
from soulfra.insights.insight import Best, Insight, Portion, Reader, percent
from soulfra.insights.promises import NEXT, WAIT, Waiting
from soulfra.insights.remembered import Remembered

REMEMBERED = 200  # lines of trouble with which a new one is compared
MIN_TASKS, MIN_TROUBLES, MIN_CHANCES = 3, 5, 3
HALF = 5  # lines at which half of the confidence is reached


class Tasks:
    """What somebody was asked to do."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.n = 0
        self.best = Best()

    def update(self, portion: Portion) -> None:
        for message, said, _, _ in portion.telling:
            if "action" in said:
                self.n += 1
                self.asked[message.speaker] = self.asked.get(message.speaker, 0) + 1
                self.best.add(said["action"], message)

    def merge(self, other: Tasks) -> None:
        self.n += other.n
        for speaker, n in other.asked.items():
            self.asked[speaker] = self.asked.get(speaker, 0) + n
        self.best.merge(other.best)

    def result(self, reader: Reader) -> list[Insight]:
        if self.n < MIN_TASKS or len(self.asked) < 2 or not reader.understood:
            return []
        most = max(self.asked, key=lambda speaker: (self.asked[speaker], speaker))
        return [
            Insight(
                "tasks", "tasks", "What was asked to be done",
                f"{self.n} times somebody was asked to do something; {most} asked {percent(self.asked[most] / self.n)} of it.",
                float(self.n), "requests", None, self.n, _sure(reader.precision("action"), self.n), 0.7,
                self.best.evidence(), "remarks that ask or assign a task",
                "Put the ones that still matter on a list with a name and a date.", (reader.caveat("action"),),
            )
        ]  # fmt: skip


class Friction:
    """Trouble, and trouble that came back."""

    def __init__(self) -> None:
        self.n = self.again = 0
        self.best = Best()
        self._known = Remembered[None](REMEMBERED)

    def update(self, portion: Portion) -> None:
        for message, said, terms, _ in portion.telling:
            if "friction" in said:
                back = bool(self._known.sharing(terms))
                self._known.add(None, terms)
                self.n += 1
                self.again += back
                self.best.add(said["friction"] + 100 * back, message)

    def merge(self, other: Friction) -> None:
        self.n, self.again = self.n + other.n, self.again + other.again
        self.best.merge(other.best)
        self._known = other._known

    def result(self, reader: Reader) -> list[Insight]:
        if self.n < MIN_TROUBLES or not reader.understood:
            return []
        return [
            Insight(
                "friction", "friction", "What is in the way",
                f"{self.n} remarks tell of trouble; {self.again} of them of one that had been told before.",
                float(self.n), "remarks", None, self.n, _sure(reader.precision("friction"), self.n), 0.85,
                self.best.evidence(), "remarks about something that blocks, fails or annoys; the same trouble shares two rare words",
                "Take the one that comes back most, and remove its cause.", (reader.caveat("friction"),),
            )
        ]  # fmt: skip


class Chances:
    """What could be won, and was not taken up."""

    def __init__(self) -> None:
        self.n = self.open = 0
        self.best = Best()
        self._waiting = Waiting(_late)
        self._assisted = ""  # a talk with an assistant, in which nobody offers anything

    def update(self, portion: Portion) -> None:
        for message, said, _, _ in portion.seen:
            if message.role == "assistant" and message.conversation != self._assisted:
                self._assisted = message.conversation
                self.n -= self._waiting.withdraw(message.conversation)
            if message.conversation == self._assisted:
                continue
            self._leave(self._waiting.hear(message))
            if "opportunity" in said and "bad" not in said:
                self.n += 1
                self._waiting.add(message)

    def _leave(self, ended: list[tuple[Message, bool]]) -> None:
        for chance, open in ended:
            self.open += open
            self.best.add(1e9 * open - chance.offset, chance)

    def merge(self, other: Chances) -> None:
        self._leave(self._waiting.merge(other._waiting))
        self.n, self.open = self.n + other.n, self.open + other.open
        self.best.merge(other.best)

    def result(self, reader: Reader) -> list[Insight]:
        self._leave(self._waiting.close())
        if self.n < MIN_CHANCES or not reader.understood:
            return []
        return [
            Insight(
                "opportunities", "opportunities", "Chances", f"{self.n} chances were mentioned; {self.open} of them nobody took up.",
                float(self.open), "chances", None, self.n, _sure(reader.precision("opportunity"), self.n), 0.9,
                self.best.evidence(), "remarks in which somebody wants to buy, book, hire or join, or a call is open; taken up by anyone else's next word",
                "Answer the ones below today: a chance grows old fast.", (reader.caveat("opportunity"),),
            )
        ]  # fmt: skip


def _late(chance: Message, more: int, message: Message) -> bool:
    return more >= NEXT or bool(chance.at and message.at and message.at - chance.at > WAIT)


def _sure(precision: float, n: int) -> float:
    return round(precision * n / (n + HALF), 4)
