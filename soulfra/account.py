"""Who arrived, and when."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.user import Standing, UserRegistered


class UserRow(msgspec.Struct, frozen=True):
    """A person. No name and no address: those never enter the log."""

    since: datetime
    standing: Standing


def arrived(row: UserRow | None, event: UserRegistered) -> UserRow:
    """The earliest registration counts for the time, the best known standing for the rest."""
    if row is None:
        return UserRow(event.time, event.standing)
    order = list(Standing)
    return UserRow(min(row.since, event.time), max(row.standing, event.standing, key=order.index))
