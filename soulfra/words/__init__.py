"""The languages that are understood, and which one a text is in."""

from __future__ import annotations

from collections.abc import Iterable

from soulfra.words.english import ENGLISH
from soulfra.words.german import GERMAN
from soulfra.words.language import WRITTEN_OUT, Language

LANGUAGES = {language.code: language for language in (ENGLISH, GERMAN)}


def language_of(texts: Iterable[str]) -> Language | None:
    """The language whose stop words make up the largest share, if that is large enough."""
    words = " ".join(texts).lower().translate(WRITTEN_OUT).split()
    shares = {code: sum(word in one.stop for word in words) / (len(words) or 1) for code, one in LANGUAGES.items()}
    best = max(shares, key=lambda code: (shares[code], code))
    return LANGUAGES[best] if shares[best] >= LANGUAGES[best].share else None


__all__ = ["LANGUAGES", "Language", "language_of"]
