"""Folds that suggest agents: the style of a chat and the trust after it meet in one row."""

from collections.abc import Iterator

from schemas import AgentSuggested, AnalysisDone, Event, TrustUpdated, UsageRecorded
from schemas.trust import Tier
from soulfra import persona, suggestion
from streams.fold import Rows, fold
from topics import AGENT_ROWS


@fold(AnalysisDone)
def keep_styles(event: AnalysisDone, rows: Rows) -> Iterator[Event]:
    """The nearest personality of each chat's style."""
    row = suggestion.styled(rows.get(AGENT_ROWS, event.key), event, persona.fits(event.style))
    rows.put(AGENT_ROWS, event.key, row)
    yield from _suggested(event, row, event.chat_id)


@fold(TrustUpdated)
def keep_tiers(event: TrustUpdated, rows: Rows) -> Iterator[Event]:
    """The tier that trust gave after the chat."""
    row = suggestion.judged(rows.get(AGENT_ROWS, event.key), event)
    rows.put(AGENT_ROWS, event.key, row)
    yield from _suggested(event, row, event.chat_id)


def _suggested(cause: Event, row: suggestion.AgentsRow, chat_id: str | None) -> Iterator[Event]:
    """One agent per chat, whichever side spoke last."""
    found = suggestion.ready(row, chat_id)
    if found is None or found.fit is None or chat_id is None:
        return
    fit = found.fit
    suggested = suggestion.cause_of(cause, chat_id).causes(
        AgentSuggested,
        agent_id=f"a_{chat_id}",
        chat_id=chat_id,
        persona=fit.persona,
        closeness=fit.closeness,
        because=suggestion.because(fit),
        tier=Tier[found.tier],
        model=suggestion.MODEL,
    )
    yield suggested
    yield suggested.causes(UsageRecorded, meter="agents.suggested", quantity="1")
