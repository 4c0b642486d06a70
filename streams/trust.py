"""Folds that keep the table of trust."""

from collections.abc import Iterator

from schemas import AnalysisDone, ClockTicked, Event, TrustUpdated, UserRegistered
from soulfra import trust
from streams.fold import Rows, fold
from topics import TRUST_ROWS


@fold(UserRegistered)
def begin_trust(event: UserRegistered, rows: Rows) -> None:
    """A person arrives with the prior of how well they are known."""
    rows.put(TRUST_ROWS, event.key, trust.registered(rows.get(TRUST_ROWS, event.key), event))


@fold(AnalysisDone)
def keep_trust(event: AnalysisDone, rows: Rows) -> Iterator[Event]:
    """Folds each analysis into its owner's trust, and says why it moved."""
    row = trust.after(rows.get(TRUST_ROWS, event.key), event)
    rows.put(TRUST_ROWS, event.key, row)
    move = next((move for move in trust.history(row) if move.id == event.id), None)
    yield _told(event, move or trust.unmoved(row, event), event.chat_id)


@fold(ClockTicked)
def age_trust(tick: ClockTicked, rows: Rows) -> Iterator[Event]:
    """Passing midnight moves those who reach the age of a tier."""
    for n, key in enumerate(sorted(rows.keys(TRUST_ROWS))):
        row = rows.get(TRUST_ROWS, key)
        if row and (older := trust.aged(row, tick.time)):
            rows.put(TRUST_ROWS, key, older)
            tenant, _, user = key.partition("/")
            yield _told(tick.model_copy(update={"tenant": tenant, "user": user}), trust.history(older)[0], None, n)


def _told(cause: Event, move: trust.Move, chat_id: str | None, n: int = 0) -> TrustUpdated:
    return cause.causes(
        TrustUpdated,
        n,
        old=move.old,
        new=move.new,
        tier=move.tier,
        reasons=list(move.reasons),
        chat_id=chat_id,
        model=trust.MODEL,
    )
