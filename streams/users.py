"""Folds that keep who arrived."""

from schemas import UserRegistered
from soulfra import account
from streams.fold import Rows, fold
from topics import USER_ROWS


@fold(UserRegistered)
def keep_users(event: UserRegistered, rows: Rows) -> None:
    """The earliest registration of a person stays."""
    rows.put(USER_ROWS, event.key, account.arrived(rows.get(USER_ROWS, event.key), event))
