"""What we say: one frozen class per event, grouped by domain. Avro contracts are derived from them and frozen."""

from schemas.chat import AnalysisDone, AnalysisFailed, AnalysisRequested, ChatDeleted, ChatUploaded
from schemas.clock import ClockTicked
from schemas.event import Event, Malformed
from schemas.letter import DeadLetterRedriven
from schemas.persona import AgentSuggested
from schemas.trust import TrustUpdated
from schemas.usage import UsageRecorded
from schemas.user import UserRegistered

EVENTS: tuple[type[Event], ...] = (
    UserRegistered,
    ChatUploaded,
    AnalysisRequested,
    ChatDeleted,
    AnalysisDone,
    AnalysisFailed,
    TrustUpdated,
    UsageRecorded,
    AgentSuggested,
    ClockTicked,
    DeadLetterRedriven,
)

__all__ = [
    "EVENTS",
    "AgentSuggested",
    "AnalysisDone",
    "AnalysisFailed",
    "AnalysisRequested",
    "ChatDeleted",
    "ChatUploaded",
    "ClockTicked",
    "DeadLetterRedriven",
    "Event",
    "Malformed",
    "TrustUpdated",
    "UsageRecorded",
    "UserRegistered",
]
