"""Where on a topic: the partition of a key, and positions."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, Self

from aiokafka.partitioner import murmur2

POSITION = re.compile(r"^([a-z][a-z.]{0,80})/([0-9]{1,5})@([0-9]{1,18})$")


@lru_cache(65_536)
def partition_of(key: str | bytes, partitions: int) -> int:
    """Java's default: murmur2 of the key's bytes, made positive, modulo the number of partitions."""
    raw = key.encode() if isinstance(key, str) else key
    return int((murmur2(raw) & 0x7FFFFFFF) % partitions)


class Position(NamedTuple):
    """One record's place: `usage.recorded/3@1042`. Callers get it for a write and hand it back to read that write."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with a sentence."""
        read = POSITION.match(text)
        if read is None:
            raise ValueError(f"{text[:100]!r} is not a position; it looks like usage.recorded/3@1042")
        return cls(read[1], int(read[2]), int(read[3]))

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"
