"""Events about trust."""

from typing import Annotated

from pydantic import Field

from schemas.event import Event, Part
from schemas.fields import MEASURE, Choice, Id, Points, Version, Word


class Tier(Choice):
    """What a person may do follows from the tier."""

    UNKNOWN = "UNKNOWN"
    BRONZE = "BRONZE"
    SILVER = "SILVER"
    GOLD = "GOLD"
    PLATINUM = "PLATINUM"


class Reason(Part):
    """One part of a move. The parts of a move add up to it."""

    code: Word
    points: Points = Field(description="thousandths of a point")


class TrustUpdated(Event):
    """A person's trust moved, and why."""

    old: Points = Field(description="thousandths of a point, 0 to 100,000")
    new: Points = Field(description="thousandths of a point, 0 to 100,000")
    tier: Annotated[Tier, MEASURE]
    reasons: list[Reason]
    chat_id: Id | None = Field(None, description="the chat whose analysis moved it")
    model: Version
