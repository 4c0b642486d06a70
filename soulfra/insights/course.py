"""How a chat changes: its subjects, its tone, and who carries it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, zip_longest
from math import log2, sqrt
from typing import NamedTuple

from soulfra.chat.message import Message
from soulfra.compiled import quick
from soulfra.insights.insight import Best, Insight, Portion, Reader, count_confidence, percent
from soulfra.words.language import as_written

TERMS, PERIODS = 40_000, 32  # words that are counted, of which rarer ones are forgotten; times that are kept apart
SESSIONS, OFTEN = 30, 5  # of a chat, and of a subject
COMMON = 0.5  # share of sessions above which a word says nothing
STRETCH = 25  # remarks whose tone is added up
FELT, REMARKS, SIDE = 20, 100, 3  # remarks with a feeling, remarks, stretches on each side of a turn
SURE = 2.0  # standard errors between the two sides
MONTHS, THIRD, SHOWN = 3, 20, 2  # months of a chat; messages on each side that is compared; of a month that are shown


def _note(places: dict[str, Message], words: tuple[str, ...], place: Message) -> None:
    """The place where each word came last."""
    places.update(dict.fromkeys(words, place))


note: Callable[[dict[str, Message], tuple[str, ...], Message], None] = quick.note if quick else _note


class Topics:
    """Subjects by the words that tell them, and how often they come up in the later half of the sessions."""

    def __init__(self) -> None:
        self.sessions = 0
        self.periods: list[
            tuple[int, Counter[str]]
        ] = []  # some sessions in a row: how many, and in how many of them each word comes
        self.last: dict[str, Message] = {}
        self._length = 1  # sessions of a period
        self._now: dict[str, Message] = {}  # words of the session that goes on, and where they came last

    def update(self, portion: Portion) -> None:
        opening = iter(portion.opening)
        next_ = next(opening, None)
        for message, _, terms, _ in portion.people:
            if message is next_:
                self._close()
                next_ = next(opening, None)
            if terms:
                note(self._now, terms, message)

    def _close(self) -> None:
        """Ends the session."""
        if not self._now:
            return
        self.sessions += 1
        if not self.periods or self.periods[-1][0] >= self._length:
            self.periods.append((0, Counter()))
        n, words = self.periods[-1]
        words.update(self._now.keys())
        self.periods[-1] = (n + 1, words)
        self.last |= self._now
        self._now = {}
        if len(self.periods) > PERIODS:
            self._coarsen()
        if len(self.last) > TERMS:
            self._forget()

    def _coarsen(self) -> None:
        """Periods of twice the length."""
        pairs = zip_longest(self.periods[::2], self.periods[1::2], fillvalue=(0, Counter[str]()))
        self.periods = [(n + m, words + more) for (n, words), (m, more) in pairs]
        self._length *= 2

    def _forget(self) -> None:
        told = sum((words for _, words in self.periods), Counter[str]())
        gone = sorted(told, key=lambda word: (-told[word], word))[TERMS // 2 :]
        for word in gone:
            del self.last[word]
            for _, words in self.periods:
                words.pop(word, None)

    def merge(self, other: Topics) -> None:
        self._close()
        other._close()
        while self._length != other._length:
            min(self, other, key=lambda one: one._length)._coarsen()
        self.periods += other.periods
        self.last |= other.last
        self.sessions += other.sessions
        while len(self.periods) > PERIODS:
            self._coarsen()

    def result(self, reader: Reader) -> list[Insight]:
        self._close()
        if self.sessions < SESSIONS or not reader.understood:
            return []
        early, late = self._halves()
        all = {word: early[word] + n for word, n in late.items()} | {
            word: n for word, n in early.items() if word not in late
        }
        told = {word: n for word, n in all.items() if OFTEN <= n <= COMMON * self.sessions}
        if len(told) < OFTEN:
            return []
        grown = {word: 2 * late[word] / n - 1 for word, n in told.items()}
        up = sorted(told, key=lambda word: (-grown[word] * sqrt(told[word]), word))[:OFTEN]
        down = sorted(told, key=lambda word: (grown[word] * sqrt(told[word]), word))[:3]
        best = Best()
        for rank, word in enumerate(up):
            best.add(-rank, self.last[word])
        n = told[up[0]]
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

    def _halves(self) -> tuple[Counter[str], Counter[str]]:
        """In how many sessions each word comes, before the middle and behind it, to the length of a period."""
        early, late, at = Counter[str](), Counter[str](), 0
        for n, words in self.periods:
            (early if 2 * at + n <= self.sessions else late).update(words)
            at += n
        return early, late


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

    def update(self, portion: Portion) -> None:
        for message, said, _, language in portion.people:
            if language is None:
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

    def update(self, portion: Portion) -> None:
        dated = (message for message, _, _, _ in portion.people if message.at is not None)
        for month, there in groupby(dated, key=_month):
            messages = list(there)
            if month not in self.months:
                self.months[month], self.best[month] = Counter(), Best(SHOWN)
            self.months[month].update(message.speaker for message in messages)
            for message in messages[:SHOWN]:
                self.best[month].add(-message.offset, message)

    def merge(self, other: Drift) -> None:
        for month, people in other.months.items():
            self.months.setdefault(month, Counter()).update(people)
            self.best.setdefault(month, Best(SHOWN)).merge(other.best[month])

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


def _month(message: Message) -> int:
    """Since the year 0."""
    return message.at.year * 12 + message.at.month - 1 if message.at is not None else 0


def _stretch(months: Sequence[int]) -> str:
    first, last = (f"{month // 12:04}-{month % 12 + 1:02}" for month in (months[0], months[-1]))
    return first if first == last else f"{first} to {last}"


def _balance(stretches: Sequence[Stretch]) -> float:
    good, bad = sum(one.good for one in stretches), sum(one.bad for one in stretches)
    return (good - bad) / (good + bad) if good + bad else 0.0


def _entropy(people: Counter[str]) -> float:
    n = people.total()
    return -sum(count / n * log2(count / n) for count in people.values()) if n else 0.0
