"""Secrets and personal data in texts: found, checked where a check exists, and masked wherever a text is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from soulfra.compiled import quick


class Found(NamedTuple):
    """A private thing: its kind and where it stands in the text."""

    kind: str
    start: int
    end: int


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    numbers = [int(digit) for digit in digits if digit.isdigit()][::-1]
    doubled = [number * 2 - 9 if number > 4 else number * 2 for number in numbers[1::2]]
    return 13 <= len(numbers) <= 19 and (sum(numbers[::2]) + sum(doubled)) % 10 == 0 and len(set(numbers)) > 1


def iban(text: str) -> bool:
    """The check digits of bank accounts (ISO 13616, modulo 97)."""
    plain = text.replace(" ", "").upper()
    turned = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(turned) % 97 == 1


def phone(text: str) -> bool:
    return 9 <= sum(character.isdigit() for character in text) <= 15


SURE: Callable[[str], bool] = bool
KINDS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("mail address", r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}", SURE),
    ("secret key", r"\b(?:sk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}"
                   r"|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35}|glpat-[A-Za-z0-9_-]{20,})", SURE),
    ("private key", r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----", SURE),
    ("token", r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", SURE),
    ("bank account", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", iban),
    ("payment card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", luhn),
    ("phone number", r"(?<![\w.])\+[0-9]{1,3}[ -]?(?:\(?[0-9]{1,5}\)?[ -]?){2,5}[0-9]{2,}\b", phone),
)  # fmt: skip
PATTERNS = [(1 << n, kind, re.compile(pattern), check) for n, (kind, pattern, check) in enumerate(KINDS)]
ANY = (1 << len(KINDS)) - 1
WORTH = re.compile(r"@|[0-9]{4}|sk-|gh[pousr]_|AKIA|xox|AIza|glpat|eyJ|-----BEGIN|\+[0-9]|[A-Z]{2}[0-9]{2}")
SHOWN = {"mail address": 1, "phone number": 3}  # characters left at the beginning


def _hints(text: str) -> int:
    """Which kinds may be in a text: one bit each, in the order of `KINDS`."""
    return ANY if WORTH.search(text) else 0


hints: Callable[[str], int] = quick.hints if quick else _hints


def found(text: str) -> list[Found]:
    """The private things in a text, in the order of their kinds."""
    may = hints(text)
    return [
        Found(kind, *match.span())
        for bit, kind, pattern, check in PATTERNS
        if may & bit
        for match in pattern.finditer(text)
        if check(match[0])
    ]


def masked(text: str) -> str:
    """The text with each private thing replaced by dots, but for its first few characters."""
    parts, at = list[str](), 0
    for one in sorted(found(text), key=lambda one: (one.start, -one.end)):
        if one.start >= at:  # digits of an account may pass as a card too
            parts += [text[at : one.start], text[one.start : one.start + SHOWN.get(one.kind, 2)], "•••"]
        at = max(at, one.end)
    return "".join([*parts, text[at:]])
