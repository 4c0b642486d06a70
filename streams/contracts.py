"""What a worker does about an event of a type or a contract that its own code does not know."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from config import Settings
from schemas.frozen import FIRST_ID
from schemas.wire import Unknown
from streams.engine import Refused, Stopped, Unready
from streams.registry import PATIENCE, Registry, Unreachable
from topics import installation
from topics.installation import Unread

log = logging.getLogger("soulfra.streams")

Result = TypeVar("Result")
SKEW = 5.0  # seconds that clocks of brokers and workers may differ
PAUSE = 1.0  # seconds before the installation's topic is read again, when that failed


class Contracts:
    """The registry's contracts, and how far those of the installation's newest release go. A normal run needs neither."""

    def __init__(self, settings: Settings) -> None:
        self._kafka = settings.kafka
        self._patience = min(PATIENCE, settings.worker.stuck_seconds / 2)
        self.foreign = Registry(settings.registry.url, self._patience)
        self._recorded, self._read_at = installation.Contracts(), 0.0
        self._reading = asyncio.Lock()

    async def learned(self, unknown: Unknown, stored: float, again: Callable[[], Result]) -> Result:
        """What `again` makes of the event once more is known; `stored` is when the broker took it, in seconds since 1970.

        Raises Unready for an event of a newer release, Refused for one that is of none, and Stopped when nobody can say.
        """
        while True:
            await self._learn(unknown, stored)
            try:
                return again()
            except Unknown as another:
                unknown = another

    async def _learn(self, unknown: Unknown, stored: float) -> None:
        if 0 < unknown.schema_id < FIRST_ID:
            await self._look_up(unknown.schema_id)
            return
        recorded = await self._installation(stored)
        if unknown.schema_id and unknown.schema_id <= recorded.newest:
            raise Unready(f"schema {unknown.schema_id} is of a newer release; upgrade this worker")
        if unknown.ce_type in recorded.events:
            raise Unready(f"type {unknown.ce_type} is of a newer release; upgrade this worker")
        raise Refused(str(unknown)) from unknown

    async def _look_up(self, schema_id: int) -> None:
        try:
            await self.foreign.look_up(schema_id)
        except Unreachable as away:  # the event may be good: it is read again when the registry is back
            raise Stopped(str(away)) from away

    async def _installation(self, stored: float) -> installation.Contracts:
        """As it was recorded when the event was stored, or later: a newer release records first, then writes."""
        async with self._reading:
            if self._read_at < stored + SKEW:
                began = time.time()
                self._recorded = await self._read()
                self._read_at = began
        return self._recorded

    async def _read(self) -> installation.Contracts:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return await asyncio.to_thread(installation.recorded, self._kafka)
            except Unread as away:
                if time.monotonic() > deadline:
                    raise Stopped(f"{away}; without it good events would be taken for bad ones") from away
                log.warning("%s; trying again", away)
            await asyncio.sleep(PAUSE)
