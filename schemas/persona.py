"""Events about people's agents."""

from typing import Annotated

from pydantic import Field

from schemas.event import Event, Part
from schemas.fields import MEASURE, Id, Number, Share, Version, Word
from schemas.trust import Tier


class Feature(Part):
    """One feature of the style that decided for a personality."""

    name: Word
    value: Number
    profile: Number = Field(description="the same feature in the personality's profile")


class AgentSuggested(Event):
    """A personality fits how a person talks; an agent can be made from it."""

    agent_id: Id
    chat_id: Id
    persona: Word
    closeness: Share
    because: list[Feature] = Field(description="the three features that decided it")
    tier: Annotated[Tier, MEASURE]
    model: Version
