"""Time, as an event."""

from schemas.event import Event
from schemas.fields import Version


class ClockTicked(Event):
    """Time passed on one partition. Only ticks close periods, move tiers by age and fire timers."""

    partition: Version
