"""How good the words are: precision and recall of every cue on lines that nobody looked at while it was made.

`labelled/<language>/<cue>.learn.tsv` is what is learned from and tuned on, `.held.tsv` is only measured on. Both hold as many
lines that say it as lines that do not, and most of the latter are chosen to mislead: in a real chat precision is higher.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from cli.bench.table import Row
from soulfra.words import LANGUAGES, Language
from soulfra.words.language import LEARNED, Cue, Learned, features, folded
from soulfra.words.learning import learned, quality

LABELLED = Path(__file__).parent / "labelled"
PRECISION = 0.93  # in the cross-validation, so that held-back lines by other hands come out at 0.85
WANTED = {"good": 0.88, "bad": 0.88}
BESIDE = {  # cues whose lines are about something else
    "promise": ("friction", "rework", "question"),
    "decision": ("promise", "question", "action", "done", "friction", "rework", "opportunity"),
    "done": ("promise", "question", "action", "friction", "rework", "opportunity"),
    "action": ("promise", "decision", "done", "friction"),
    "friction": ("promise", "question", "decision", "action", "done", "opportunity"),
    "opportunity": ("promise", "question", "decision", "action", "done", "friction", "rework"),
}
FELT = {"good": "pos", "bad": "neg"}  # cues whose lines are those of the tone, and their label


def lines(language: str, cue: str, half: str) -> list[tuple[str, bool]]:
    """Folded labelled lines, and whether each says it."""
    name, label = ("tone", FELT[cue]) if cue in FELT else (cue, "yes")
    rows = (LABELLED / language / f"{name}.{half}.tsv").read_text(encoding="utf-8").splitlines()
    return [(folded(text), said == label) for said, _, text in (row.partition("\t") for row in rows)]


def others(language: str, cue: str) -> list[str]:
    """Lines about something else than a cue."""
    return [line for name in BESIDE.get(cue, ()) for line, _ in lines(language, name, "learn")]


def measured(cue: Cue, held: list[tuple[str, bool]]) -> tuple[float, float]:
    """Precision and recall."""
    return quality([(float(cue.found(line, features(line))), said) for line, said in held], 0.5)


def learn(language: Language) -> dict[str, Learned]:
    """Learns all cues of a language, and notes how they do on the held-back lines."""
    found = {}
    for name, hand in language.hands.items():
        one = learned(lines(language.code, name, "learn"), others(language.code, name), hand, WANTED.get(name, PRECISION))
        precision, recall = measured(Cue(hand, one), lines(language.code, name, "held"))
        found[name] = msgspec.structs.replace(one, precision=round(precision, 3), recall=round(recall, 3))
    return found


def write(language: Language) -> None:
    path = LEARNED / f"{language.code}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(learn(language)), indent=1) + b"\n")


def measure() -> Iterator[Row]:
    """For each language and cue."""
    for code, language in LANGUAGES.items():
        for name, cue in language.cues.items():
            held = lines(code, name, "held")
            precision, recall = measured(cue, held)
            title = f"{language.name}: {name}, {len(held)} lines"
            yield Row(title, "precision", "", [round(precision, 3)])
            yield Row(title, "recall", "", [round(recall, 3)])
