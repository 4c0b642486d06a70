"""A bound on bytes on disk that many wait for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PASSED = 64  # times that smaller ones may go before one that does not fit yet


class Room:
    """`limit` bytes to share. What is larger than the whole room has it alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0
        self._waiting: deque[_Place] = deque()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Waits until so many bytes are free. Small ones may pass a large one, but not for ever."""
        place = _Place(size)
        self._waiting.append(place)
        self._admit()
        try:
            await place.admitted.wait()
            yield
        finally:
            if place in self._waiting:
                self._waiting.remove(place)
            else:
                self.used -= size
            self._admit()

    def _admit(self) -> None:
        for place in list(self._waiting):
            if self._fits(place.size):
                self._waiting.remove(place)
                self.used += place.size
                place.admitted.set()
                if self._waiting and self._waiting[0] is not place:
                    self._waiting[0].passed += not self._fits(self._waiting[0].size)
            elif place.passed >= PASSED:
                return

    def _fits(self, size: int) -> bool:
        return not self.used or self.used + size <= self._limit


class _Place:
    """One who waits."""

    def __init__(self, size: int) -> None:
        self.size, self.passed, self.admitted = size, 0, asyncio.Event()
