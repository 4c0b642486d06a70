"""Events about uploaded chats. They carry counts and pointers: no name, no quote, no file name."""

from typing import Annotated

from pydantic import Field

from schemas.event import Event, Part
from schemas.fields import (
    MEASURE,
    OPEN,
    PSEUDONYM,
    Attempt,
    Choice,
    Count,
    Fingerprint,
    Id,
    Number,
    Place,
    Pointer,
    Share,
    Version,
    Word,
)


class ChatUploaded(Event):
    """A chat export was stored and waits for its analysis."""

    chat_id: Id
    pointer: Pointer = Field(description="where the file lies in the object storage")
    fingerprint: Fingerprint = Field(description="hash of the file, keyed with the installation's secret")
    size: Count = Field(description="bytes")
    format: Annotated[str, OPEN] = Field("", description="format the caller named; empty: recognise it")


class AnalysisRequested(Event):
    """A person asked for another analysis of a stored chat; the upload itself was the first attempt."""

    chat_id: Id
    attempt: Attempt
    pointer: Pointer = Field(description="where the file lies in the object storage")
    size: Count = Field(description="bytes")
    format: Annotated[str, OPEN] = Field("", description="format the caller named at the upload")
    request: Annotated[str, PSEUDONYM] = Field("", description="keyed hash of the caller's Idempotency-Key")


class ChatDeleted(Event):
    """A person deleted a chat: its file, result and rows go; evidence already given stays."""

    chat_id: Id


class InsightNumber(Part):
    """The number of one insight, without its words."""

    kind: Word
    value: Number
    unit: Word
    n: Count = Field(description="observations behind the value")
    confidence: Share


class AnalysisDone(Event):
    """A chat was read, counted and understood; the full result lies beside the chat."""

    chat_id: Id
    format: Word
    conversations: Count
    messages: Count = Field(description="all, also hidden ones and other branches")
    visible: Count = Field(description="what a person sees")
    participants: Count
    insights: list[InsightNumber]
    style: Annotated[dict[str, float], MEASURE] = Field(description="style vector of the uploader")
    quality: Share = Field(description="share parsed, structure and language")
    secrets: Count = Field(description="private things found and masked")
    fingerprints: list[Fingerprint] = Field(description="keyed, one per conversation, at most 1,000")
    content: Fingerprint = Field(description="keyed digest of all conversations: the same chat has the same one")
    pointer: Pointer = Field(description="where the full result lies")
    analyser: Version
    attempt: Attempt = Field(1, description="which analysis of the chat; 1 is that of the upload")


class Failure(Choice):
    """Why a chat could not be read."""

    UNKNOWN = "UNKNOWN"
    UNREADABLE = "UNREADABLE"
    TOO_LARGE = "TOO_LARGE"
    TOO_SLOW = "TOO_SLOW"
    MISSING = "MISSING"
    BROKEN = "BROKEN"


class AnalysisFailed(Event):
    """A chat could not be read; the sentence that says why lies beside the chat, for its owner only."""

    chat_id: Id
    reason: Annotated[Failure, OPEN]
    place: Place = ""
    pointer: Pointer
    analyser: Version
    attempt: Attempt = Field(1, description="which analysis of the chat; 1 is that of the upload")
