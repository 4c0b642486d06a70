"""How a chat changes: its subjects, its tone, and who carries it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import log2, sqrt
from typing import NamedTuple

from soulfra.chat.message import Message
from soulfra.insights.insight import Best, Heard, Insight, Reader, count_confidence, percent
from soulfra.insights.people import opens
from soulfra.words.language import as_written

TERMS = 40_000  # words that are counted; rarer ones are forgotten
SESSIONS, OFTEN, COMMON = (
    30,
    5,
    0.5,
)  # sessions of a chat and of a subject; share of sessions above which a word says nothing
STRETCH = 25  # remarks whose tone is added up
FELT, REMARKS, SIDE = 20, 100, 3  # remarks with a feeling, remarks, stretches on each side of a turn
SURE = 2.0  # standard errors between the two sides
MONTHS, THIRD = 3, 20  # months of a chat; messages on each side that is compared


class Topics:
    """Subjects by the words that tell them, and how often they come up in the later half of the sessions."""

    def __init__(self) -> None:
        self.sessions = 0
        self.seen: dict[str, list[int]] = {}  # word: the sessions in which it comes
        self.last: dict[str, Message] = {}
        self._before: Message | None = None

    def update(self, batch: Sequence[Heard]) -> None:
        for message, _, terms, language in batch:
            if message.role != "person" or not message.visible or language is None:
                continue
            self.sessions += opens(self._before, message)
            self._before = message
            for word in terms:
                there = self.seen.get(word)
                if there is None:
                    self.seen[word] = [self.sessions]
                elif there[-1] != self.sessions:
                    there.append(self.sessions)
                else:
                    continue
                self.last[word] = message
        if len(self.seen) > TERMS:
            self._forget()

    def _forget(self) -> None:
        kept = sorted(self.seen, key=lambda word: (-len(self.seen[word]), word))[: TERMS // 2]
        self.seen = {word: self.seen[word] for word in kept}
        self.last = {word: self.last[word] for word in kept}

    def merge(self, other: Topics) -> None:
        for word, there in other.seen.items():
            self.seen.setdefault(word, []).extend(self.sessions + n for n in there)
        self.last |= other.last
        self.sessions += other.sessions
        self._before = other._before or self._before

    def result(self, reader: Reader) -> list[Insight]:
        if self.sessions < SESSIONS or not reader.understood:
            return []
        told = {word: there for word, there in self.seen.items() if OFTEN <= len(there) <= COMMON * self.sessions}
        if len(told) < OFTEN:
            return []
        middle = self.sessions / 2
        grown = {word: 2 * sum(n > middle for n in there) / len(there) - 1 for word, there in told.items()}
        up = sorted(told, key=lambda word: (-grown[word] * sqrt(len(told[word])), word))[:OFTEN]
        down = sorted(told, key=lambda word: (grown[word] * sqrt(len(told[word])), word))[:3]
        best = Best()
        for rank, word in enumerate(up):
            best.add(-rank, self.last[word])
        n = len(told[up[0]])
        more, less = (", ".join(as_written(word, self.last[word].text) for word in some) for some in (up, down))
        return [
            Insight(
                "topics", "topics", "What comes up more and more",
                f"{more} come up more in the later half of {self.sessions} sessions; {less} less.",
                round(grown[up[0]], 4), "change", 0.0, self.sessions, round(count_confidence(self.sessions) * n / (n + OFTEN), 4), 0.55,
                best.evidence(), "sessions in which an uncommon word comes, later half against earlier half",
                "Give what grows a place of its own; close what has gone quiet.",
            )
        ]  # fmt: skip


class Stretch(NamedTuple):
    """Some remarks in a row: good ones, bad ones, and the first that was either."""

    good: int
    bad: int
    first: Message | None


class Mood:
    """The tone, and where it turned."""

    def __init__(self) -> None:
        self.remarks = 0
        self.stretches: list[Stretch] = []
        self._open = Stretch(0, 0, None)
        self._n = 0

    def update(self, batch: Sequence[Heard]) -> None:
        for message, said, _, language in batch:
            if message.role != "person" or not message.visible or language is None:
                continue
            self.remarks += 1
            self._n += 1
            if "good" in said or "bad" in said:
                good, bad, first = self._open
                self._open = Stretch(good + ("good" in said), bad + ("bad" in said), first or message)
            if self._n == STRETCH:
                self._close()

    def _close(self) -> None:
        if self._n:
            self.stretches.append(self._open)
        self._open, self._n = Stretch(0, 0, None), 0

    def merge(self, other: Mood) -> None:
        self._close()
        self.remarks += other.remarks
        self.stretches += other.stretches
        self._open, self._n = other._open, other._n

    def result(self, reader: Reader) -> list[Insight]:
        self._close()
        felt = sum(one.good + one.bad for one in self.stretches)
        if self.remarks < REMARKS or felt < FELT or len(self.stretches) < 2 * SIDE or not reader.understood:
            return []
        at, distance = max(self._splits(), key=lambda one: abs(one[1]))
        if abs(distance) < SURE:
            return []
        before, after = _balance(self.stretches[:at]), _balance(self.stretches[at:])
        best = Best()
        for rank, one in enumerate(one for one in self.stretches[at:] if one.first is not None):
            if (one.good - one.bad) * (after - before) >= 0:
                best.add(-rank, one.first)  # type: ignore[arg-type]
        turned = next((one.first for one in self.stretches[at:] if one.first is not None), None)
        when = f" on {turned.at:%Y-%m-%d}" if turned is not None and turned.at else ""
        precision = min(reader.precision("good"), reader.precision("bad"))
        return [
            Insight(
                "tone", "tone", "Where the tone turned",
                f"The tone became {'better' if after > before else 'worse'}{when}: of the remarks with a feeling "
                f"{percent((before + 1) / 2)} were good before, {percent((after + 1) / 2)} after.",
                round(after - before, 4), "change", 0.0, felt, round(precision * abs(distance) / (abs(distance) + 1), 4), 0.75,
                best.evidence(), f"the split with the largest difference of good and bad remarks, at least {SURE:.0f} standard errors",
                "Read on from there: what happened, and does it still stand between you?", (reader.caveat("bad"),),
            )
        ]  # fmt: skip

    def _splits(self) -> Iterator[tuple[int, float]]:
        """Each place to split, and the standard errors between the shares of good remarks on its two sides."""
        good, felt = sum(one.good for one in self.stretches), sum(one.good + one.bad for one in self.stretches)
        share, a, n = good / felt, 0, 0
        for at, one in enumerate(self.stretches, 1):
            a, n = a + one.good, n + one.good + one.bad
            m = felt - n
            if at < SIDE or at > len(self.stretches) - SIDE:
                continue
            error = sqrt(share * (1 - share) * (1 / n + 1 / m)) if n and m else 0.0
            yield at, ((good - a) / m - a / n) / error if error else 0.0


class Drift:
    """Whether fewer people carry more of it as months go by."""

    def __init__(self) -> None:
        self.months: dict[int, Counter[str]] = {}  # since the year 0
        self.best: dict[int, Best] = {}

    def update(self, batch: Sequence[Heard]) -> None:
        for message, _, _, _ in batch:
            if message.role == "person" and message.visible and message.at:
                month = message.at.year * 12 + message.at.month - 1
                if month not in self.months:
                    self.months[month], self.best[month] = Counter(), Best(2)
                self.months[month][message.speaker] += 1
                self.best[month].add(-message.offset, message)

    def merge(self, other: Drift) -> None:
        for month, people in other.months.items():
            self.months.setdefault(month, Counter()).update(people)
            self.best.setdefault(month, Best(2)).merge(other.best[month])

    def result(self, reader: Reader) -> list[Insight]:
        months = sorted(self.months)
        third = len(months) // 3
        people = {speaker for month in months for speaker in self.months[month]}
        if len(months) < MONTHS or len(people) < 2:
            return []
        early = sum((self.months[month] for month in months[:third]), Counter[str]())
        late = sum((self.months[month] for month in months[-third:]), Counter[str]())
        if min(early.total(), late.total()) < THIRD:
            return []
        top = max(late, key=lambda speaker: (late[speaker], speaker))
        before, after = early[top] / early.total(), late[top] / late.total()
        change = _entropy(late) - _entropy(early)
        best = Best()
        for month in (*months[:third], *months[-third:]):
            best.merge(self.best[month])
        return [
            Insight(
                "drift", "drift", "Who carries it now",
                f"{top} wrote {percent(before)} of the messages in {_stretch(months[:third])} "
                f"and {percent(after)} in {_stretch(months[-third:])}.",
                round(change, 4), "bits", 0.0, early.total() + late.total(),
                round(count_confidence(min(early.total(), late.total())) * min(1.0, abs(after - before) * 4), 4), 0.5,
                best.evidence(), "share of messages and entropy of people, first third of the months against the last",
                "If one person carries it now: share the load, or name a second one.",
            )
        ]  # fmt: skip


def _stretch(months: Sequence[int]) -> str:
    first, last = (f"{month // 12:04}-{month % 12 + 1:02}" for month in (months[0], months[-1]))
    return first if first == last else f"{first} to {last}"


def _balance(stretches: Sequence[Stretch]) -> float:
    good, bad = sum(one.good for one in stretches), sum(one.bad for one in stretches)
    return (good - bad) / (good + bad) if good + bad else 0.0


def _entropy(people: Counter[str]) -> float:
    n = people.total()
    return -sum(count / n * log2(count / n) for count in people.values()) if n else 0.0
