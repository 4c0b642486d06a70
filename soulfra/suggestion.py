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


class SuggestionRow(msgspec.Struct, frozen=True):
    """What is suggested for one chat; complete when style and trust are both known."""

    at: datetime | None = None
    fit: Fit | None = None
    tier: str = ""

    @property
    def is_complete(self) -> bool:
        return self.fit is not None and bool(self.tier)


def styled(row: SuggestionRow | None, done: AnalysisDone, fits: Sequence[Fit]) -> SuggestionRow:
    """The row with the chat's nearest personality."""
    return msgspec.structs.replace(row or SuggestionRow(), at=done.time, fit=fits[0] if fits else None)


def judged(row: SuggestionRow | None, moved: TrustUpdated) -> SuggestionRow:
    """The row with the tier that trust gave after the chat."""
    return msgspec.structs.replace(row or SuggestionRow(), tier=moved.tier.name)


def because(fit: Fit) -> list[Feature]:
    return [Feature(name=name, value=value, profile=profile) for name, value, profile in fit.because]


def cause_of(event: Event, chat_id: str) -> Event:
    """The cause as both sides would name it, so that the suggestion of a chat has one id whoever spoke last."""
    return event.model_copy(update={"source": "soulfra", "id": f"{event.key}#{chat_id}"})
