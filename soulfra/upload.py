"""What is known of one uploaded chat. Each topic fills its own part of the row, so the parts may come in any order."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from schemas.chat import AnalysisDone, AnalysisFailed, ChatDeleted, ChatUploaded
from schemas.event import Event
from schemas.persona import AgentSuggested
from schemas.trust import TrustUpdated

Status = Literal["received", "failed", "done"]
Stage = Literal["analysis", "trust", "agent"]


class Fact(msgspec.Struct, frozen=True):
    """An event that became part of the row: what it said, and where in the log it stands."""

    at: datetime
    position: str
    said: dict[str, object]


class ChatRow(msgspec.Struct, frozen=True):
    """One chat. A deleted one keeps only the mark, so that what arrives late cannot bring it back."""

    chat_id: str
    deleted: bool = False
    uploaded: Fact | None = None
    analysis: Fact | None = None
    failure: Fact | None = None
    trust: Fact | None = None
    agent: Fact | None = None

    @property
    def status(self) -> Status:
        if self.analysis:
            return "done"
        return "failed" if self.failure else "received"

    @property
    def positions(self) -> dict[str, str]:
        """Where in the log everything stands that this upload caused, by topic."""
        facts = (self.uploaded, self.analysis, self.failure, self.trust, self.agent)
        return {fact.position.partition("/")[0]: fact.position for fact in facts if fact}

    def reached(self, stage: Stage) -> bool:
        """Whether the chain got there, or ended before."""
        found = {"analysis": self.analysis, "trust": self.trust, "agent": self.agent}[stage]
        return bool(found or self.failure or self.deleted)


PARTS: dict[type[Event], str] = {
    ChatUploaded: "uploaded",
    AnalysisDone: "analysis",
    AnalysisFailed: "failure",
    TrustUpdated: "trust",
    AgentSuggested: "agent",
}
BULKY = {"fingerprints"}  # of no use to a reader of the row


def told(row: ChatRow | None, event: Event, chat_id: str, position: str) -> ChatRow:
    """The row with one more event; of two for the same part the first in (time, position) stays."""
    row = row or ChatRow(chat_id)
    if isinstance(event, ChatDeleted) or row.deleted:
        return ChatRow(chat_id, deleted=True) if isinstance(event, ChatDeleted) else row
    said = event.model_dump(mode="json", exclude=set(Event.model_fields) | BULKY | {"chat_id"})
    part = PARTS[type(event)]
    facts = [fact for fact in (getattr(row, part), Fact(event.time, position, said)) if fact]
    return msgspec.structs.replace(row, **{part: min(facts, key=lambda fact: (fact.at, fact.position))})
