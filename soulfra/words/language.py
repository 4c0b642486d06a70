"""What is known of a language: what its people write when they ask, promise or decide, and the words that every text has.

A cue is found in a line when its score is above a threshold. The score adds up weights of words and of neighbouring words,
learned from labelled lines, and of patterns written by hand (`english.py`, `german.py`). How sure a cue is was measured on
lines that were looked at by nobody while it was made: `soulfra bench chat --quality`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

CODE = re.compile(r"```.*?(?:```|$)|`[^`]*`|https?://\S+", re.S)
QUOTED = re.compile(r"\"[^\"\n]{2,80}\"|[“„«»][^”“»«\n]{2,80}[”“»«]|(?<!\w)'[^'\n]{3,80}'(?!\w)")
WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "’": "'", "`": "'"})
TOKEN = re.compile(r"[^\W\d_][\w'-]*|\d+|[?!]+|[\u2600-\u27bf]|[\U0001f300-\U0001faff]")
WORDS = 40  # of a line that are looked at
STEM = 5  # letters of a longer word that stand for all its forms
LEARNED = Path(__file__).parent / "learned"


def plain(text: str) -> str:
    """Without code and addresses."""
    return CODE.sub(" ", text) if "`" in text or "://" in text else text


def folded(text: str) -> str:
    """What cues are looked for in: lower case, umlauts written out, without code, addresses and quotations."""
    return QUOTED.sub(" … ", plain(text).lower().translate(WRITTEN_OUT)).strip()


def features(line: str) -> set[str]:
    """Words, beginnings of long words, and two and three words in a row of a folded line."""
    words = [word if not word.isdigit() else "#" for word in TOKEN.findall(line)[:WORDS]]
    length = len(words)
    row = ["^", *words, "$"]
    found = {*row, *(f"{word[:STEM]}*" for word in words if len(word) > STEM + 1)}
    found.update(f"{a} {b}" for a, b in zip(row, row[1:], strict=False))
    found.update(f"{a} {b} {c}" for a, b, c in zip(row, row[1:], row[2:], strict=False))
    found.add("short" if length < 5 else "middling" if length < 10 else "long" if length < 20 else "very long")
    return found


class Learned(msgspec.Struct, frozen=True):
    """A cue as it was learned, and what was measured on the held-back lines."""

    bias: float
    threshold: float
    precision: float
    recall: float
    weights: dict[str, float]


class Hand:
    """Patterns that speak for something, and patterns that speak against it."""

    def __init__(self, yes: Sequence[str], no: Sequence[str]) -> None:
        self._yes, self._no = re.compile("|".join(yes)), re.compile("|".join(no))

    def hints(self, line: str) -> tuple[str, ...]:
        for_it, against = self._yes.search(line) is not None, self._no.search(line) is not None
        return ("+",) * for_it + ("-",) * against + ("=",) * (for_it and not against)


class Tone:
    """Words and phrases with a feeling. Phrases (-5 to 5) go before words; a negation turns the words behind it."""

    def __init__(self, good: str, bad: str, negations: str, phrases: Mapping[str, int]) -> None:
        weights = dict.fromkeys(bad.split(), -1) | dict.fromkeys(good.split(), 1) | EMOJI
        self._weights = {word.replace("_", " "): weight for word, weight in weights.items()}
        self._negations = frozenset(negations.split())
        self._phrases = phrases
        self._said = re.compile("|".join(sorted(map(re.escape, phrases), key=len, reverse=True)))

    def of(self, line: str) -> int:
        """Above 0: good; below: bad. Of a folded line."""
        total = sum(self._phrases[phrase] for phrase in self._said.findall(line))
        turned = 0
        for word in TOKEN.findall(self._said.sub(" ", line)):
            if weight := self._weights.get(word):
                total += -weight if turned > 0 and word not in EMOJI else weight
            turned = 3 if word in self._negations or word.endswith("n't") else turned - 1
        return total


class Felt(NamedTuple):
    """Hints for the good tone (`sign` 1) or the bad one (-1), from the words of feeling."""

    tone: Tone
    sign: int

    def hints(self, line: str) -> tuple[str, ...]:
        felt = self.tone.of(line) * self.sign
        return ("+",) * (felt > 0) + ("-",) * (felt < 0) + ("=",) * (felt > 1)


EMOJI = dict.fromkeys("❤🥰😍😊🎉🥳🏆👍💪😂😄🤗🔥💐🙌🥂😎😋🌸🎶😁", 1) | dict.fromkeys("😢😭😡🙄😩😤💔😞😠🤬", -1)
HINTS = ("+", "-", "=")


class Cue:
    """One thing that lines may say, as learned."""

    def __init__(self, hand: Hand | Felt, learned: Learned) -> None:
        self.hand, self.learned = hand, learned
        self._best = max(0.0, learned.weights.get("+", 0.0) + learned.weights.get("=", 0.0))

    def found(self, line: str, known: set[str]) -> bool:
        """Whether a folded line says it; `known` are its features. The patterns are tried only where they can decide."""
        weights, threshold = self.learned.weights, self.learned.threshold - self.learned.bias
        mine = [weights[one] for one in known if one in weights]
        total, n = sum(mine), len(mine)
        highest = total + self._best
        if highest / ((n or 1) if highest > 0 else n + len(HINTS)) ** 0.5 <= threshold:
            return False
        more = [weights[hint] for hint in self.hand.hints(line) if hint in weights]
        n += len(more)
        return bool(n) and (total + sum(more)) / n**0.5 > threshold


class Language:
    """`share`: of stop words, above which a text counts as being in it; `common`: words that say nothing of what a line is about."""

    def __init__(
        self, code: str, name: str, stop: str, share: float, common: str, hands: Mapping[str, Hand | Felt]
    ) -> None:
        self.code, self.name, self.share, self.hands = code, name, share, hands
        self.stop, self.common = frozenset(stop.split()), frozenset(common.split())

    @cached_property
    def cues(self) -> dict[str, Cue]:
        learned = msgspec.json.decode((LEARNED / f"{self.code}.json").read_bytes(), type=dict[str, Learned])
        return {name: Cue(hand, learned[name]) for name, hand in self.hands.items()}

    def said(self, text: str) -> frozenset[str]:
        """The names of the cues that a line has."""
        line = folded(text)
        known = features(line)
        return frozenset(name for name, cue in self.cues.items() if cue.found(line, known))
