"""The languages that are understood, and which one a text is in."""

from __future__ import annotations

from collections.abc import Collection

from soulfra.words.english import ENGLISH
from soulfra.words.french import FRENCH
from soulfra.words.german import GERMAN
from soulfra.words.language import WRITTEN_OUT, Language
from soulfra.words.portuguese import PORTUGUESE
from soulfra.words.spanish import SPANISH

LANGUAGES = {one.code: one for one in (ENGLISH, GERMAN, SPANISH, FRENCH, PORTUGUESE)}


def language_of(words: Collection[str], before: Language | None = None) -> Language | None:
    """The language whose stop words make up the largest share, if that is large enough; the one before where its own do."""
    said = " ".join(words).lower()
    plain = (said if said.isascii() else said.translate(WRITTEN_OUT)).split()
    if before is not None and _share(plain, before) >= before.share:
        return before
    shares = {code: _share(plain, one) for code, one in LANGUAGES.items()}
    best = max(shares, key=lambda code: (shares[code], code))
    return LANGUAGES[best] if shares[best] >= LANGUAGES[best].share else None


def _share(words: Collection[str], language: Language) -> float:
    """Of stop words."""
    return sum(map(language.stop.__contains__, words)) / (len(words) or 1)


__all__ = ["LANGUAGES", "Language", "language_of"]
