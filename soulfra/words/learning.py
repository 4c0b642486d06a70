"""Learns a cue from labelled lines: logistic regression over `language.features`.

The same lines give the same weights. The threshold is the lowest at which, in a cross-validation, so many of the lines
found are right as wanted.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

from soulfra.words.language import WHOLE, Learned, features

EPOCHS, DECAY, FOLDS, SEED = 25, 0.02, 5, 1
TIMES = 2  # lines in which a feature must be, to be learned from
BESIDE = 0.3  # weight of a line about something else
STRANGE = 0.05  # share of those that may be found
LEAST = 0.08  # weights below are left out

Line = tuple[str, bool]  # folded, and whether it says it
Model = tuple[float, dict[str, float]]


def learned(lines: Sequence[Line], others: Sequence[str], wanted: float) -> Learned:
    """A cue that finds what it is to find with the wanted precision; `precision` and `recall` are still those of the folds.

    `others` are lines about something else: few of them say it, and few may be found.
    """
    ready = [(sorted(features(line)), float(said), 1.0) for line, said in lines]
    beside = [(sorted(features(line)), 0.0, BESIDE) for line in others]
    scored, strange = list[tuple[float, bool]](), list[float]()
    for fold in range(FOLDS):
        model = _fitted([one for some in (ready, beside) for n, one in enumerate(some) if n % FOLDS != fold])
        scored += [(_score(model, known), said > 0) for known, said, _ in ready[fold::FOLDS]]
        strange += [_score(model, known) for known, _, _ in beside[fold::FOLDS]]
    threshold = min((at for at, _ in scored if quality(scored, at)[0] >= wanted), default=max(at for at, _ in scored))
    if strange:
        threshold = max(threshold, sorted(strange)[int(len(strange) * (1 - STRANGE))])
    bias, weights = _fitted(ready + beside)
    kept = {name: round(weight * WHOLE) for name, weight in sorted(weights.items()) if abs(weight) >= LEAST}
    precision, recall = quality(scored, threshold)
    return Learned(round(threshold - bias, 3), round(precision, 3), round(recall, 3), kept)


def quality(scored: Sequence[tuple[float, bool]], threshold: float) -> tuple[float, float]:
    """Precision and recall of the lines that score above a threshold."""
    found = [said for score, said in scored if score > threshold]
    right, all = sum(found), sum(said for _, said in scored)
    return right / max(1, len(found)), right / max(1, all)


def _fitted(ready: Sequence[tuple[list[str], float, float]]) -> Model:
    times = Counter(name for known, _, _ in ready for name in known)
    examples = [([name for name in known if times[name] >= TIMES], said, worth) for known, said, worth in ready]
    weights = dict.fromkeys((name for name, n in times.items() if n >= TIMES), 0.0)
    bias, chance = 0.0, random.Random(SEED)  # noqa: S311 - an order, no secret
    for epoch in range(EPOCHS):
        chance.shuffle(examples)
        step = 0.3 / (1 + 0.3 * epoch)
        for known, said, worth in examples:
            scale = len(known) ** -0.5 if known else 1.0
            total = bias + scale * sum(weights[name] for name in known)
            missed = worth * (said - 1 / (1 + math.exp(-max(-30.0, min(30.0, total)))))
            bias += 0.1 * step * missed
            for name in known:
                weights[name] += step * (3 * missed * scale - DECAY * weights[name])
    return bias, weights


def _score(model: Model, known: list[str]) -> float:
    bias, weights = model
    mine = [weights[name] for name in known if abs(weights.get(name, 0.0)) >= LEAST]
    return bias + (sum(mine) / len(mine) ** 0.5 if mine else 0.0)
