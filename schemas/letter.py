"""Events about dead letters: records that could not be taken, and what became of them."""

from pydantic import Field

from schemas.event import Event
from schemas.fields import Fingerprint, Instant, Offset, Version, Word


class DeadLetterRedriven(Event):
    """An operator sent a dead letter back to the topic it came from. The record's content is not in here."""

    topic: Word = Field(description="dead-letter topic that holds the letter")
    partition: Version
    offset: Offset = Field(description="of the letter")
    original_topic: Word = Field(description="where the record was, and where it was sent again")
    original_partition: Version
    original_offset: Offset = Field(description="where it was when it failed")
    stored_offset: Offset = Field(description="where it is now, on the same topic and partition")
    reason: Word = Field(description="why it had failed: malformed, refused, failed, or unknown")
    failed_at: Instant = Field(description="when the letter was written")
    times: Version = Field(description="how often this record was sent again, this time included")
    actor: Fingerprint = Field(description="who did it: a keyed hash of the operator's name")
