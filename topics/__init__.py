"""Where we say it: one catalogue of topics and tables. Dead letters, changelogs, AsyncAPI and docs derive from it.

Every topic and changelog has the same number of partitions, so that a person's events, rows and agents meet on one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar, cast

import msgspec

from schemas import (
    AgentSuggested,
    AnalysisDone,
    AnalysisFailed,
    AnalysisRequested,
    ChatDeleted,
    ChatUploaded,
    ClockTicked,
    DeadLetterRedriven,
    Event,
    TrustUpdated,
    UsageRecorded,
    UserRegistered,
)
from soulfra.account import UserRow
from soulfra.suggestion import SuggestionRow
from soulfra.trust import TrustRows
from soulfra.upload import ChatRow
from soulfra.usage import UsageRow, VerdictRow

FOREVER: timedelta | None = None
WEEK = timedelta(days=7)
Row = TypeVar("Row", bound=msgspec.Struct)
Writer = Literal["callers", "edge", "tables", "analysis", "cli"]
DAY_MS = 86_400_000
CHANGELOG_SEGMENT = 4 * 1024 * 1024  # bytes; only closed segments are compacted
CHANGELOG_SEGMENT_MS = 10 * 60_000  # so that a quiet changelog is compacted too


@dataclass(frozen=True)
class Topic:
    """A topic: what is said there, who says it, how long it is kept.

    `key` is `user` for `<tenant>/<user>`, or `partition` where each partition has its own events.
    """

    name: str
    events: tuple[type[Event], ...]
    written_by: tuple[Writer, ...]
    why: str
    key: Literal["user", "partition"] = "user"
    keep: timedelta | None = FOREVER

    @property
    def dead(self) -> str:
        """Name of its dead-letter topic."""
        return f"{self.name}.dlq"

    @property
    def config(self) -> dict[str, str]:
        """The broker stamps the time, so that an event's own time can be judged by the log alone."""
        kept = -1 if self.keep is None else int(self.keep.total_seconds() * 1000)
        stamped = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}
        return stamped | {"retention.ms": str(kept), "retention.bytes": "-1"} | self._segments()

    def _segments(self) -> dict[str, str]:
        return {} if self.keep is None else {"segment.ms": str(DAY_MS)}


USERS = Topic("user.registered", (UserRegistered,), ("edge",), "starts trust, plan and routing for a new person")
CHATS = Topic(
    "chat.uploaded",
    (ChatUploaded, AnalysisRequested, ChatDeleted),
    ("edge",),
    "a stored export, by pointer; another analysis of it; or its deletion",
)
ANALYSES = Topic("analysis.done", (AnalysisDone, AnalysisFailed), ("analysis",), "counts and numbers of a read chat")
TRUST = Topic("trust.updated", (TrustUpdated,), ("tables",), "a person's trust moved, and why")
USAGE = Topic("usage.recorded", (UsageRecorded,), ("callers", "tables"), "so much of one meter was used")
AGENTS = Topic("agent.suggested", (AgentSuggested,), ("tables",), "a personality fits how a person talks")
CLOCK = Topic("clock.ticked", (ClockTicked,), ("tables",), "time as an event, on each partition", "partition", WEEK)
LETTERS = Topic(
    "letter.redriven", (DeadLetterRedriven,), ("cli",), "a dead letter was sent back, and by whom", "partition"
)

TOPICS: tuple[Topic, ...] = (USERS, CHATS, ANALYSES, TRUST, USAGE, AGENTS, CLOCK, LETTERS)


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A table: rows folded from topics. Its name carries its version; a changed fold is a new table beside the old."""

    domain: str
    version: int
    row: type[Row]
    folded_from: tuple[Topic, ...]
    why: str

    @cached_property
    def name(self) -> str:
        return f"{self.domain}.v{self.version}"

    @property
    def changelog(self) -> str:
        return f"{TABLES_APP}-{self.name}-changelog"

    @property
    def config(self) -> dict[str, str]:
        return {
            "cleanup.policy": "compact",
            "segment.bytes": str(CHANGELOG_SEGMENT),
            "segment.ms": str(CHANGELOG_SEGMENT_MS),
            "min.cleanable.dirty.ratio": "0.3",
            "delete.retention.ms": str(DAY_MS),
        }


TABLES_APP = "soulfra-tables"
ANALYSIS_APP = "soulfra-analysis"
PROJECTOR_GROUP = "soulfra-projector"

USER_ROWS = Table("users", 2, UserRow, (USERS, CLOCK), "who arrived, and when")
CHAT_ROWS = Table(
    "chats", 3, ChatRow, (CHATS, ANALYSES, TRUST, AGENTS, CLOCK), "each chat: its state and what came of it"
)
TRUST_ROWS = Table(
    "trust",
    3,
    cast(Any, TrustRows),
    (USERS, ANALYSES, CLOCK),
    "each person's evidence, by day; score and history follow",
)
USAGE_ROWS = Table("usage", 3, UsageRow, (USAGE, CLOCK), "each person's totals of a month, by meter and day")
VERDICT_ROWS = Table(
    "verdicts", 2, VerdictRow, (USAGE, CLOCK), "each usage event: counted once, and how often it came again"
)
AGENT_ROWS = Table("agents", 3, SuggestionRow, (ANALYSES, TRUST, CLOCK), "the agent suggested for each chat")

TABLES: tuple[Table[Any], ...] = (USER_ROWS, CHAT_ROWS, TRUST_ROWS, USAGE_ROWS, VERDICT_ROWS, AGENT_ROWS)
INSTALLATION = "soulfra.installation"  # what an installation knows of itself (topics/installation.py)
INSTALLATION_CONFIG = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
DEAD_CONFIG = {"cleanup.policy": "delete", "retention.ms": str(90 * DAY_MS), "segment.ms": str(DAY_MS)}


_BY_NAME = {topic.name: topic for topic in TOPICS}
_BY_EVENT = {event: topic for topic in TOPICS for event in topic.events}


def topic_of(event: Event | type[Event]) -> Topic:
    """The one topic an event is said on."""
    kind = event if isinstance(event, type) else type(event)
    return _BY_EVENT[kind]


def topic_named(name: str) -> Topic:
    """Raises KeyError for a name that is not in the catalogue."""
    return _BY_NAME[name]


def everything() -> dict[str, dict[str, str]]:
    """Every topic that must exist on the broker, with its configuration."""
    wanted = {topic.name: topic.config for topic in TOPICS}
    wanted |= {topic.dead: DEAD_CONFIG for topic in TOPICS}
    wanted |= {table.changelog: table.config for table in TABLES}
    return wanted | {INSTALLATION: INSTALLATION_CONFIG}
