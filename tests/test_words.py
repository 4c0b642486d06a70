"""Words: what is told of a language is what was measured, on lines that it was not learned from."""

from __future__ import annotations

import pytest

from cli.bench.chat import CUES, LABELLED, lines, measured
from soulfra.words import LANGUAGES, language_of
from soulfra.words.language import features, folded
from soulfra.words.learning import learned

EACH = [(code, name) for code in LANGUAGES for name in CUES]


@pytest.mark.parametrize(("code", "name"), EACH)
def test_a_cue_reaches_the_bar_on_lines_that_it_was_not_learned_from(code: str, name: str) -> None:
    held, cue = lines(code, name, "held"), LANGUAGES[code].cues[name]
    precision, recall = measured(cue, held)
    assert (round(precision, 3), round(recall, 3)) == (cue.learned.precision, cue.learned.recall)
    assert precision >= 0.85 and recall >= 0.60
    assert len(held) >= 100 and len(held) + len(lines(code, name, "learn")) >= 200


@pytest.mark.parametrize(("code", "name"), EACH)
def test_no_held_line_was_learned_from(code: str, name: str) -> None:
    assert not {line for line, _ in lines(code, name, "held")} & {line for line, _ in lines(code, name, "learn")}


@pytest.mark.parametrize("code", LANGUAGES)
def test_all_cues_in_one_go_are_the_cues_one_by_one(code: str) -> None:
    language = LANGUAGES[code]
    for name in ("decision", "tone"):
        for row in (LABELLED / code / f"{name}.held.tsv").read_text(encoding="utf-8").splitlines():
            text = row.partition("\t")[2]
            known = features(folded(text))
            one_by_one = {name: score for name, cue in language.cues.items() if (score := cue.score(known)) > 0}
            said = {name: above for name, above in language.read(text)[0].items() if name in language.cues}
            assert said == pytest.approx(one_by_one)


def test_the_same_lines_give_the_same_weights() -> None:
    few = lines("en", "promise", "learn")[:120]
    assert learned(few, [], 0.9) == learned(few, [], 0.9)


def test_code_addresses_and_quotations_say_nothing() -> None:
    read = LANGUAGES["en"].read
    assert "question" in read("what time do we meet?")[0]
    assert "question" not in read('the film is called "what time do we meet?" and it was fine')[0]
    assert folded("Größe `x?` https://example.org/?a=1 ok") == "groesse     ok"


@pytest.mark.parametrize(
    ("text", "code"),
    [("I think that this is what you have to do with it", "en"), ("das ist ja nicht so gut wie ich dachte", "de"),
     ("pues no sé si lo de la cena es para hoy o para mañana", "es"), ("je ne sais pas si c'est pour ce soir ou pour demain", "fr"),
     ("eu não sei se o jantar é para hoje ou se é para amanhã", "pt"),
     ("ciao ragazzi ci vediamo domani alle otto in piazza, chi porta la pizza e le birre?", None),
     ("hoi allemaal, zien we elkaar morgen om acht uur op het plein? ik kan niet want ik moet werken", None),
     ("minä en tiedä missä se on eikä kukaan muukaan", None), ("", None)],
)  # fmt: skip
def test_a_language_is_told_by_its_stop_words(text: str, code: str | None) -> None:
    language = language_of(text.split())
    assert (language.code if language else None) == code
