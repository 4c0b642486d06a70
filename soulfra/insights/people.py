"""How people deal with each other: who answers whom how fast, and who carries the talk."""

from __future__ import annotations

from datetime import timedelta

from soulfra.chat.message import Message
from soulfra.insights.hearing import SESSION
from soulfra.insights.insight import Best, Insight, Portion, Reader, count_confidence, percent, quantile

NO_TIME = timedelta()
PAIR_GAPS, PAIRS = 20_000, 2_000  # bounds: gaps kept per pair, pairs kept
MIN_GAPS, MIN_MESSAGES = 20, 50


class Responses:
    """How long each person lets each other one wait."""

    def __init__(self) -> None:
        self.gaps: dict[tuple[str, str], list[float]] = {}
        self.best: dict[tuple[str, str], Best] = {}
        self._last: Message | None = None

    def update(self, portion: Portion) -> None:
        before = self._last
        for message, _, _, _ in portion.all:
            if message.role == "person" and message.at is not None and message.kind in ("text", "media"):
                if before is not None and before.speaker != message.speaker:
                    self._follow(before, message)
                before = message
        self._last = before

    def _follow(self, before: Message, message: Message) -> None:
        if before.conversation != message.conversation or before.at is None or message.at is None:
            return
        wait = message.at - before.at
        if not NO_TIME <= wait < SESSION:
            return
        pair, gap = (message.speaker, before.speaker), wait.total_seconds()
        gaps = self.gaps.get(pair)
        if gaps is None:
            if len(self.gaps) == PAIRS:
                return
            gaps, self.best[pair] = self.gaps.setdefault(pair, []), Best()
        if len(gaps) < PAIR_GAPS:
            gaps.append(gap)
        if message.visible:
            self.best[pair].add(gap, message)

    def merge(self, other: Responses) -> None:
        for pair, gaps in other.gaps.items():
            if pair in self.gaps or len(self.gaps) < PAIRS:
                mine = self.gaps.setdefault(pair, [])
                mine.extend(gaps[: PAIR_GAPS - len(mine)])
                self.best.setdefault(pair, Best()).merge(other.best[pair])
        self._last = other._last or self._last

    def result(self, reader: Reader) -> list[Insight]:
        enough = {pair: gaps for pair, gaps in self.gaps.items() if len(gaps) >= MIN_GAPS}
        if not enough:
            return []
        pair = max(enough, key=lambda pair: (quantile(enough[pair], 0.5), pair))
        gaps, everyone = enough[pair], [gap for gaps in enough.values() for gap in gaps]
        middle, usual = quantile(gaps, 0.5), quantile(everyone, 0.5)
        return [
            Insight(
                "response-time", "response_time", "Who waits for whom",
                f"{pair[0]} answers {pair[1]} after {_long(middle)} in the middle, and one time in ten after more than "
                f"{_long(quantile(gaps, 0.9))}; the usual here is {_long(usual)}.",
                round(middle, 1), "seconds", round(usual, 1), len(gaps), count_confidence(len(gaps)), 0.6,
                self.best[pair].evidence(), "median gap after a change of speaker within one session of 8 hours",
                "Agree on how fast an answer is needed, or move what is urgent to a call.",
            )
        ]  # fmt: skip


class Balance:
    """How evenly the talk is shared."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.starts: dict[str, int] = {}
        self.messages = 0
        self.best = Best()

    def update(self, portion: Portion) -> None:
        self.messages += len(portion.people)
        words = self.words
        for message, _, _, _ in portion.people:
            words[message.speaker] = words.get(message.speaker, 0) + message.text.count(" ") + 1
        for message in portion.opening:
            self.starts[message.speaker] = self.starts.get(message.speaker, 0) + 1
            self.best.add(-message.offset, message)

    def merge(self, other: Balance) -> None:
        self.messages += other.messages
        for mine, theirs in ((self.words, other.words), (self.starts, other.starts)):
            for speaker, n in theirs.items():
                mine[speaker] = mine.get(speaker, 0) + n
        self.best.merge(other.best)

    def result(self, reader: Reader) -> list[Insight]:
        if self.messages < MIN_MESSAGES or len(self.words) < 2:
            return []
        most = max(self.words, key=lambda speaker: (self.words[speaker], speaker))
        share, even = self.words[most] / sum(self.words.values()), 1 / len(self.words)
        starter = max(self.starts, key=lambda speaker: (self.starts[speaker], speaker))
        begun = self.starts[starter] / sum(self.starts.values())
        return [
            Insight(
                "balance", "balance", "Who carries the talk",
                f"{most} writes {percent(share)} of all words (even would be {percent(even)}); "
                f"{starter} opens {percent(begun)} of the sessions.",
                round(_gini(list(self.words.values())), 4), "gini", 0.0, self.messages, count_confidence(self.messages), 0.5,
                self.best.evidence(), "Gini coefficient of words per person; a session opens after 8 silent hours",
                "Ask the quiet ones directly, or let someone else open the next one.",
            )
        ]  # fmt: skip


def _gini(amounts: list[int]) -> float:
    ordered, n = sorted(amounts), len(amounts)
    return sum((2 * rank - n - 1) * amount for rank, amount in enumerate(ordered, 1)) / (n * (sum(ordered) or 1))


def _long(seconds: float) -> str:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
