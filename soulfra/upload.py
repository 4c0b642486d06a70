"""What is known of one uploaded chat. Each topic fills its own part of the row, so the parts may come in any order."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from schemas.chat import AnalysisDone, AnalysisFailed, AnalysisRequested, ChatDeleted, ChatUploaded
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
    requested: Fact | None = None  # the newest attempt after that of the upload

    @property
    def attempts(self) -> int:
        """How many analyses were begun; that of the upload is the first."""
        return attempt_of(self.requested)

    @property
    def newest(self) -> Fact | None:
        """The event that began the newest attempt."""
        return self.requested or self.uploaded

    @property
    def answered(self) -> bool:
        """Whether the newest attempt has ended."""
        return any(fact is not None and attempt_of(fact) >= self.attempts for fact in (self.analysis, self.failure))

    @property
    def failed(self) -> Fact | None:
        """The failure of the newest attempt; one of an older attempt is no answer any more."""
        return self.failure if self.failure and attempt_of(self.failure) >= self.attempts else None

    @property
    def status(self) -> Status:
        if self.analysis:
            return "done"
        return "failed" if self.failed else "received"

    @property
    def positions(self) -> dict[str, str]:
        """Where in the log everything stands that this upload caused, by topic."""
        facts = (self.uploaded, self.requested, self.analysis, self.failure, self.trust, self.agent)
        return {fact.position.partition("/")[0]: fact.position for fact in facts if fact}

    def reached(self, stage: Stage) -> bool:
        """Whether the chain got there, or ended before."""
        found = {"analysis": self.analysis, "trust": self.trust, "agent": self.agent}[stage]
        return bool(self.deleted or (self.answered and (found or self.failed)))


PARTS: dict[type[Event], str] = {
    ChatUploaded: "uploaded",
    AnalysisRequested: "requested",
    AnalysisDone: "analysis",
    AnalysisFailed: "failure",
    TrustUpdated: "trust",
    AgentSuggested: "agent",
}
BULKY = {"fingerprints"}  # of no use to a reader of the row


def told(row: ChatRow | None, event: Event, chat_id: str, position: str) -> ChatRow:
    """The row with one more event; of two for the same part the newest attempt, then the first in (time, position)."""
    row = row or ChatRow(chat_id)
    if isinstance(event, ChatDeleted) or row.deleted:
        return ChatRow(chat_id, deleted=True) if isinstance(event, ChatDeleted) else row
    said = event.model_dump(mode="json", exclude=set(Event.model_fields) | BULKY | {"chat_id"})
    part = PARTS[type(event)]
    facts = [fact for fact in (getattr(row, part), Fact(event.time, position, said)) if fact]
    return msgspec.structs.replace(
        row, **{part: min(facts, key=lambda fact: (-attempt_of(fact), fact.at, fact.position))}
    )


def attempt_of(fact: Fact | None) -> int:
    """Which analysis of the chat a fact is about; what says nothing is about the first."""
    attempt = fact.said.get("attempt", 1) if fact else 1
    return attempt if isinstance(attempt, int) else 1
