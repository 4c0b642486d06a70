"""Which times an event may have. The clock is an argument: the broker's stamp in a worker, now at the edge."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas import Event, UsageRecorded

AHEAD = timedelta(hours=24)  # clocks of senders are wrong by hours, not by days
FIRST_YEAR = 2000


def implausible(event: Event, now: datetime) -> str:
    """Why the times of an event cannot be true, or nothing."""
    used = event.occurred_at if isinstance(event, UsageRecorded) else None
    for name, at in (("time", event.time), ("occurred_at", used)):
        if at and at - now > AHEAD:
            return f"{name} lies more than 24 hours in the future; send the time at which it happened, in UTC"
        if at and at.year < FIRST_YEAR:
            return f"{name} lies before the year {FIRST_YEAR}; send the time at which it happened, in UTC"
    return ""
