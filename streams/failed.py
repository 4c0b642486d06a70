"""Why a chat cannot be analysed, and how that is kept beside it for its owner."""

from __future__ import annotations

import msgspec

from schemas.chat import Failure


class Failed(Exception):
    """The chat cannot be analysed: why, and the sentence for its owner. `kept`: whether it lies beside the chat already."""

    def __init__(self, reason: Failure, sentence: str, place: str = "", kept: bool = False) -> None:
        super().__init__(sentence)
        self.reason, self.sentence, self.place, self.kept = reason, sentence, place, kept


def missing() -> Failed:
    return Failed(Failure.MISSING, "the uploaded file is gone; upload it again")


def broken() -> Failed:
    return Failed(Failure.BROKEN, "the analysis broke on this file; it is our mistake, and it was noted")


def to_json(failed: Failed) -> bytes:
    return msgspec.json.encode({"reason": failed.reason.value, "sentence": failed.sentence, "place": failed.place})


def from_json(stored: bytes) -> Failed:
    """Raises msgspec.DecodeError."""
    fields = msgspec.json.decode(stored, type=dict[str, str])
    return Failed(Failure(fields["reason"]), fields["sentence"], fields["place"], kept=True)
