"""Folds that keep the table of trust. The last `trust.updated` of a person says what the table says."""

from collections.abc import Iterator

from schemas import AnalysisDone, ClockTicked, Event, TrustUpdated, UserRegistered
from schemas.trust import Reason
from soulfra import trust
from streams.fold import Rows, fold
from topics import TRUST_ROWS
from topics.rows import row_key, split


class PersonRows:
    """One person's rows of trust, by sub-key."""

    def __init__(self, rows: Rows, key: str) -> None:
        self._rows, self._key = rows, key

    def get(self, sub: str) -> trust.TrustRows | None:
        row: trust.TrustRows | None = self._rows.get(TRUST_ROWS, row_key(self._key, sub))
        return row

    def put(self, sub: str, row: trust.TrustRows) -> None:
        self._rows.put(TRUST_ROWS, row_key(self._key, sub), row)

    def remove(self, sub: str) -> None:
        self._rows.remove(TRUST_ROWS, row_key(self._key, sub))


@fold(UserRegistered)
def begin_trust(event: UserRegistered, rows: Rows) -> Iterator[Event]:
    """A person arrives with the prior of how well they are known."""
    if change := trust.registered(PersonRows(rows, event.key), event):
        yield updated(event, change)


@fold(AnalysisDone)
def keep_trust(event: AnalysisDone, rows: Rows) -> Iterator[Event]:
    """Folds each analysis into its owner's trust, and says why it moved."""
    yield updated(event, trust.analysed(PersonRows(rows, event.key), event), event.chat_id)


@fold(ClockTicked)
def age_trust(tick: ClockTicked, rows: Rows) -> Iterator[Event]:
    """Passing midnight moves those who reach the age of a tier."""
    for n, key in enumerate(sorted(key for key in rows.keys(TRUST_ROWS) if not split(key)[1])):
        if change := trust.passed(PersonRows(rows, key), tick.time):
            tenant, _, user = key.partition("/")
            yield updated(tick.model_copy(update={"tenant": tenant, "user": user}), change, n=n)


def updated(cause: Event, change: trust.Change, chat_id: str | None = None, n: int = 0) -> TrustUpdated:
    reasons = [Reason(code=code, points=points) for code, points in change.reasons]
    return cause.causes(
        TrustUpdated,
        n,
        old=change.old,
        new=change.new,
        tier=change.tier,
        reasons=reasons,
        chat_id=chat_id,
        model=trust.MODEL,
    )
