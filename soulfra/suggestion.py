"""Which agents are suggested to a person: the personality of each chat's style, once trust has judged that chat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from schemas.chat import AnalysisDone
from schemas.event import Event
from schemas.persona import Feature
from schemas.trust import TrustUpdated

MODEL = 1


class Fit(msgspec.Struct, frozen=True):
    """How well a personality fits one chat's style."""

    persona: str
    closeness: float
    because: tuple[tuple[str, float, float], ...]  # feature, the person's value, the profile's


class Suggestion(msgspec.Struct, frozen=True):
    """One chat's suggestion, whole when both sides have spoken."""

    at: datetime | None = None
    fit: Fit | None = None
    tier: str = ""


class AgentsRow(msgspec.Struct, frozen=True):
    """A person's suggestions, by chat."""

    chats: dict[str, Suggestion] = {}


def styled(row: AgentsRow | None, done: AnalysisDone, fits: Sequence[Fit]) -> AgentsRow:
    """The row with a chat's nearest personality."""
    best = fits[0] if fits else None
    return _with(row, done.chat_id, at=done.time, fit=best)


def judged(row: AgentsRow | None, moved: TrustUpdated) -> AgentsRow:
    """The row with the tier that trust gave after this chat."""
    return row or AgentsRow() if moved.chat_id is None else _with(row, moved.chat_id, tier=moved.tier.name)


def ready(row: AgentsRow, chat_id: str | None) -> Suggestion | None:
    """The suggestion of a chat when style and trust are both there."""
    found = row.chats.get(chat_id or "")
    return found if found and found.fit and found.tier else None


def _with(row: AgentsRow | None, chat_id: str, **known: object) -> AgentsRow:
    row = row or AgentsRow()
    grown = msgspec.structs.replace(row.chats.get(chat_id, Suggestion()), **known)
    return AgentsRow(dict(sorted({**row.chats, chat_id: grown}.items())))


def because(fit: Fit) -> list[Feature]:
    return [Feature(name=name, value=value, profile=profile) for name, value, profile in fit.because]


def cause_of(event: Event, chat_id: str) -> Event:
    """The cause as both sides would name it, so that the suggestion of a chat has one id whoever spoke last."""
    return event.model_copy(update={"source": "soulfra", "id": f"{event.key}#{chat_id}"})
