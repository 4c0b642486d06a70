"""What is known of a language: what its people write when they ask, promise or decide, and the words that every text has.

A cue is found in a line when its score is above a threshold. The score adds up weights of words and of neighbouring words,
learned from labelled lines (`learning.py`). How sure a cue is was measured on lines that were looked at by nobody while it was made: `soulfra bench chat --quality`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from soulfra.compiled import quick

CODE = re.compile(r"```.*?(?:```|$)|`[^`]*`|https?://\S+", re.S)
QUOTED = re.compile(r"\"[^\"\n]{2,80}\"|[“„«»][^”“»«\n]{2,80}[”“»«]|(?<!\w)'[^'\n]{3,80}'(?!\w)")
ACCENTS = {"a": "àáâãå", "e": "èéêë", "i": "ìíîï", "o": "òóôõ", "u": "ùúû", "c": "ç", "n": "ñ", "y": "ýÿ"}
WRITTEN_OUT = str.maketrans(
    {accented: letter for letter, all in ACCENTS.items() for accented in all}
    | {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "œ": "oe", "’": "'", "`": "'"}
)
TOKEN = re.compile(r"[^\W\d_][\w'-]*|\d+|[?!¿¡]+|[\u2600-\u27bf]|[\U0001f300-\U0001faff]")
WORDS = 40  # of a line that are looked at
LETTERS = 4  # of a word that tells what a line is about, at least
STEM = 5  # letters of a longer word that stand for all its forms
WHOLE = 1_000  # weights are added up in thousandths, so that their order makes no difference
LEARNED = Path(__file__).parent / "learned"
NOTHING: Mapping[str, float] = {}


def plain(text: str) -> str:
    """Without code and addresses."""
    return CODE.sub(" ", text) if "`" in text or "://" in text else text


def folded(text: str) -> str:
    """What cues are looked for in: lower case, umlauts and accents written out, without code, addresses and quotations."""
    return QUOTED.sub(" … ", plain(text).lower().translate(WRITTEN_OUT)).strip()


def features(line: str) -> set[str]:
    """Words, beginnings of long words, and two and three words in a row of a folded line."""
    return _features(_row(line))


def _features(row: list[str]) -> set[str]:
    found = {*row, *(f"{word[:STEM]}*" for word in row if len(word) > STEM + 1), _length(row)}
    found.update(f"{a} {b}" for a, b in pairwise(row))
    found.update(f"{a} {b} {c}" for a, b, c in zip(row, row[1:], row[2:], strict=False))
    return found


def _row(line: str) -> list[str]:
    return ["^", *("#" if word.isdigit() else word for word in TOKEN.findall(line)[:WORDS]), "$"]


def _length(row: list[str]) -> str:
    n = len(row) - 2
    return "(few)" if n < 5 else "(some)" if n < 10 else "(more)" if n < 20 else "(many)"


Read = tuple[Mapping[str, float], tuple[str, ...]]  # what a line says, and the words that tell what it is about


class Learned(NamedTuple):
    """A cue as it was learned: of its features the weights in thousandths; what was measured on the held-back lines."""

    floor: float
    precision: float
    recall: float
    weights: dict[str, int]


class Told(msgspec.Struct, frozen=True):
    """A file of `learned/`: of each cue floor, precision and recall; of each feature the numbers of cues and the weights."""

    cues: dict[str, tuple[float, float, float]]
    weights: dict[str, list[tuple[int, int]]]


class Cue:
    """One thing that lines may say, as learned."""

    def __init__(self, learned: Learned) -> None:
        self.learned, self.weights, self.floor = learned, learned.weights, learned.floor

    def score(self, known: Collection[str]) -> float:
        """How far a line with these features is above the threshold; at 0 and below it does not say it."""
        mine = [self.weights[one] for one in known if one in self.weights]
        return (sum(mine) / sqrt(len(mine)) if mine else 0.0) / WHOLE - self.floor


class Language:
    """`share`: of stop words, above which a text counts as being in it; `common`: words that say nothing of what a line is about;
    `polite`, `casual`: words and pairs of words, separated by commas, that tell how somebody talks."""

    def __init__(self, code: str, name: str, stop: str, share: float, common: str, polite: str, casual: str) -> None:
        self.code, self.name, self.share = code, name, share
        self.stop, self.common = frozenset(stop.split()), frozenset(common.split())
        self.manners = {"polite": polite, "casual": casual}

    @cached_property
    def _told(self) -> Told:
        return msgspec.json.decode((LEARNED / f"{self.code}.json").read_bytes(), type=Told)

    @cached_property
    def cues(self) -> dict[str, Cue]:
        weights: list[dict[str, int]] = [{} for _ in self._told.cues]
        for feature, pairs in self._told.weights.items():
            for number, weight in pairs:
                weights[number][feature] = weight
        measured = zip(self._told.cues.items(), weights, strict=True)
        return {name: Cue(Learned(*figures, mine)) for (name, figures), mine in measured}

    def precision(self, cue: str) -> float:
        """Of what a cue finds, on the held-back lines."""
        return self._told.cues[cue][1]

    @cached_property
    def _weights(self) -> dict[str, list[tuple[int, int]]]:
        """By feature: numbers of cues and of manners, and weights."""
        table = dict(self._told.weights)
        for number, words in enumerate(self.manners.values(), len(self._told.cues)):
            for feature in " ".join(words.split()).split(", "):
                table[feature] = [*table.get(feature, ()), (number, WHOLE)]
        return table

    @cached_property
    def _floors(self) -> dict[str, float]:
        """Of the cues, learned, and of the manners, of which one word is enough; in the order of their numbers."""
        return {name: floor for name, (floor, _, _) in self._told.cues.items()} | dict.fromkeys(self.manners, 0.0)

    @cached_property
    def _silent(self) -> frozenset[str]:
        """Words that say nothing of what a line is about."""
        return self.stop | self.common

    @cached_property
    def words(self) -> Any:
        """What `read` does, compiled; None where it could not be."""
        names, floors = tuple(self._floors), list(self._floors.values())
        return quick and quick.Words(
            self._weights, names, floors, sorted(self._silent), NOTHING, plain, WORDS, STEM, LETTERS
        )

    @cached_property
    def read(self) -> Callable[[str], Read]:
        """The cues that a line has, each with how far it is above its threshold, and the words that tell what it is about."""
        compiled: Callable[[str], Read] | None = self.words and self.words.read
        return compiled or self._read

    def _read(self, text: str) -> Read:
        row = _row(folded(text))
        totals, times = [0] * len(self._floors), [0] * len(self._floors)
        for feature in _features(row):
            for number, weight in self._weights.get(feature, ()):
                totals[number] += weight
                times[number] += 1
        scores = (total / sqrt(n) / WHOLE if n else 0.0 for total, n in zip(totals, times, strict=True))
        said = {
            name: above
            for (name, floor), score in zip(self._floors.items(), scores, strict=True)
            if (above := score - floor) > 0
        }
        terms = (word for word in row if len(word) >= LETTERS and word[0].isalnum() and word not in self._silent)
        return said or NOTHING, tuple(dict.fromkeys(terms))


def as_written(term: str, text: str) -> str:
    """A term as it stands in a text."""
    return next((word for word in TOKEN.findall(text) if folded(word) == term), term).lower()
