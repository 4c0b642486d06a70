"""An event: a fact in the past tense, and the envelope that says whose it is and when it happened."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Self, TypeVar

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from schemas.fields import EventId, Id

DERIVED = uuid.UUID("5017f7a0-0000-5000-8000-50017f7a0000")  # namespace of the ids of derived events
SYSTEM = "soulfra"  # source of the events that follow from others
ENVELOPE = ("id", "source", "time", "tenant", "user")
Source = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!-~]+$")]
Caused = TypeVar("Caused", bound="Event")


class Malformed(ValueError):
    """A record is not an event of ours; the message says what is wrong with it."""


class Part(BaseModel):
    """A value inside an event."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Part):
    """A fact. The envelope travels in CloudEvents headers and the key, everything else in the Avro body."""

    id: EventId = Field(description="unique within its source")
    source: Source = Field(description="who says so, a URI reference")
    time: AwareDatetime = Field(description="when it happened, UTC")
    tenant: Id = "main"
    user: Id = Field(description="the person it is about; a random id, never a mail address")

    @classmethod
    def ce_type(cls) -> str:
        """The CloudEvents type: `ChatDeleted` is `chat.deleted`."""
        return type_of(cls.__name__)

    @classmethod
    def body_fields(cls) -> list[str]:
        return [name for name in cls.model_fields if name not in ENVELOPE]

    @property
    def key(self) -> str:
        """Key of its record and of every row about this person."""
        return f"{self.tenant}/{self.user}"

    def body(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.body_fields()}

    def causes(self, event: type[Caused], n: int = 0, **body: Any) -> Caused:
        """An event that follows from this one. Its id is derived, so whoever counts it drops repeats."""
        name = event.ce_type()
        return event(
            id=str(uuid.uuid5(DERIVED, f"{self.source}\0{self.id}\0{name}\0{n}")),
            source=SYSTEM,
            time=self.time,
            tenant=self.tenant,
            user=self.user,
            **body,
        )

    def digest(self) -> str:
        """Digest of what the event says, not of when it was said: a retry without a time of its own says the same.

        The same id with another digest is a conflict.
        """
        said = self.model_dump(mode="json", exclude={"id", "source", "time"})
        return hashlib.sha256(_canonical(said)).hexdigest()[:32]

    def at(self, time: datetime) -> Self:
        return self.model_copy(update={"time": time})


_canonical = msgspec.json.Encoder(order="sorted").encode


@cache
def type_of(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", ".", name).lower()
