"""The kinds of field an event may have. Each says how private it is; one that does not say fails `make check`."""

from __future__ import annotations

import re
from enum import Enum, StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints
from pydantic_core import PydanticCustomError


class Privacy(Enum):
    """How much a value says about a person. Names, texts and addresses have no class: they stay out of the log."""

    OPEN = "open"  # says nothing about a person: versions, units, formats
    PSEUDONYM = "pseudonym"  # a random id or a keyed hash; means nothing without this installation's keys
    MEASURE = "measure"  # a number or a class measured on what a person did


OPEN, PSEUDONYM, MEASURE = Privacy.OPEN, Privacy.PSEUDONYM, Privacy.MEASURE

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$"
NANO = 9  # digits after the point that a quantity may have
QUANTITY_PATTERN = rf"^-?(0|[1-9][0-9]{{0,17}})(\.[0-9]{{1,{NANO}}})?$"

NONCHARACTERS = "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
CONTROLS = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef{NONCHARACTERS}]")
MOST_BYTES = 256  # of an id


def plain(text: str) -> str:
    """The text, if it is a CloudEvents string without line separators. Raises ValueError with the end of a sentence."""
    if not (text.isascii() and text.isprintable()) and CONTROLS.search(text):
        raise ValueError("holds a control character, a line end or half a character; leave that out")
    return text


def _event_id(text: str) -> str:
    try:
        plain(text)
    except ValueError as wrong:
        raise PydanticCustomError("event_id", "it {wrong}", {"wrong": str(wrong)}) from None
    if not 0 < len(text.encode()) <= MOST_BYTES:
        raise PydanticCustomError("event_id", "it has 1 to {most} bytes (UTF-8)", {"most": MOST_BYTES})
    return text


EventId = Annotated[str, AfterValidator(_event_id)]
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN), PSEUDONYM]
Pointer = Annotated[str, StringConstraints(min_length=1, max_length=512), PSEUDONYM]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$"), PSEUDONYM]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,63}$"), OPEN]
MeasuredWord = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,63}$"), MEASURE]
Place = Annotated[str, StringConstraints(pattern=r"^((line|byte) [0-9]{1,18})?$"), OPEN]
Version = Annotated[int, Field(ge=0, le=2**31 - 1), OPEN]
Offset = Annotated[int, Field(ge=0, le=2**62), OPEN]  # of a record on a partition
Attempt = Annotated[int, Field(ge=1, le=1_000), OPEN]
Count = Annotated[int, Field(ge=0, le=2**62), MEASURE]
Points = Annotated[int, Field(ge=-100_000, le=100_000), MEASURE]  # thousandths of a point of trust
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), MEASURE]
Number = Annotated[float, Field(allow_inf_nan=False), MEASURE]
Quantity = Annotated[str, StringConstraints(pattern=QUANTITY_PATTERN), MEASURE]  # decimal, exact
Instant = Annotated[AwareDatetime, MEASURE]


class Choice(StrEnum):
    """A closed set of words that may grow: a reader that does not know one sees UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> Choice | None:
        return cls.__members__.get("UNKNOWN")
