"""Events about usage. Other systems write them too."""

from pydantic import Field

from schemas.event import Event
from schemas.fields import Instant, MeasuredWord, Quantity


class UsageRecorded(Event):
    """A person used something: so much of one meter."""

    meter: MeasuredWord = Field(description="what was used, for example tokens.out")
    quantity: Quantity = Field(description="decimal number as text, at most 18 digits before and 9 after the point")
    occurred_at: Instant | None = Field(None, description="when it was used; the event's own time when absent")
