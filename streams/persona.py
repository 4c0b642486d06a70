"""Folds that suggest agents: the style of a chat and the trust after it meet in one row."""

from collections.abc import Iterator

from schemas import AgentSuggested, AnalysisDone, Event, TrustUpdated, UsageRecorded
from schemas.trust import Tier
from soulfra import persona, suggestion
from soulfra.usage import AGENTS_SUGGESTED
from streams.fold import Rows, fold
from topics import AGENT_ROWS
from topics.rows import row_key


@fold(AnalysisDone)
def keep_styles(event: AnalysisDone, rows: Rows) -> Iterator[Event]:
    """The nearest personality of each chat's style."""
    key = row_key(event.key, event.chat_id)
    row = suggestion.styled(rows.get(AGENT_ROWS, key), event, persona.fits(event.style))
    rows.put(AGENT_ROWS, key, row)
    yield from _suggested(event, row, event.chat_id)


@fold(TrustUpdated)
def keep_tiers(event: TrustUpdated, rows: Rows) -> Iterator[Event]:
    """The tier that trust gave after the chat."""
    if event.chat_id is None:
        return
    key = row_key(event.key, event.chat_id)
    row = suggestion.judged(rows.get(AGENT_ROWS, key), event)
    rows.put(AGENT_ROWS, key, row)
    yield from _suggested(event, row, event.chat_id)


def _suggested(cause: Event, row: suggestion.SuggestionRow, chat_id: str) -> Iterator[Event]:
    """One agent per chat, whichever side came last."""
    if row.fit is None or not row.is_complete:
        return
    fit = row.fit
    suggested = suggestion.cause_of(cause, chat_id).causes(
        AgentSuggested,
        agent_id=f"a_{chat_id}",
        chat_id=chat_id,
        persona=fit.persona,
        closeness=fit.closeness,
        because=suggestion.because(fit),
        tier=Tier[row.tier],
        model=suggestion.MODEL,
    )
    yield suggested
    yield suggested.causes(UsageRecorded, meter=AGENTS_SUGGESTED, quantity="1")
