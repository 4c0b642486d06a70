"""What uploads leave in the object storage that came to nothing, and how it is removed."""

from __future__ import annotations

import asyncio
import logging

from config.objects import Objects, Unavailable

log = logging.getLogger("soulfra.edge")

EVERY = 3600.0  # seconds between two sweeps
RETRY = 5.0  # seconds until folders that could not be removed are tried again
MOST = 10_000  # such folders remembered


class Leftovers:
    """Removes them at once, when the storage is back, or, of processes that were killed, by age."""

    def __init__(self, objects: Objects, seconds: float) -> None:
        self._objects, self._seconds = objects, seconds
        self._folders: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    async def remove(self, folder: str) -> None:
        """Also when the request is cancelled meanwhile; an outage does not hide why the upload failed."""
        task = asyncio.ensure_future(self._remove(folder))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _remove(self, folder: str) -> None:
        try:
            await self._objects.remove_all(folder)
            self._folders.discard(folder)
        except Unavailable as away:
            log.warning("%s; what is left of an upload is removed later", away)
            if len(self._folders) < MOST:
                self._folders.add(folder)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                if removed := await self._objects.sweep(self._seconds):
                    log.info("%d unfinished files were removed from the storage", removed)
            except OSError as away:
                log.warning("the storage cannot be swept (%s)", type(away).__name__)
            for _ in range(max(1, round(min(EVERY, self._seconds) / RETRY))):
                await asyncio.sleep(RETRY)
                for folder in list(self._folders):
                    await self._remove(folder)
