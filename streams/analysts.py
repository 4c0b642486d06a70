"""The processes in which chats are analysed.

Small files have processes of their own, and those of large ones yield to them: nobody waits behind somebody's 100 MB. A large
file is read in two halves, by two processes where two are free.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import redis

from config.redis import connect
from soulfra.analysis import Analysis, analyse_whole, concluded
from soulfra.reading import Plan, Reading, planned, read
from streams.pool import Died, Pool
from topics.copy import PROGRESS_STEPS

T = TypeVar("T")
log = logging.getLogger("soulfra.analysis")

ATTEMPTS = 3  # at a task whose process dies
TASKS = 64  # of one process, until a fresh one takes its place
YIELDS = 10  # by which the processes of large files are nicer than those of small ones
SHOWN_EVERY = 0.25  # seconds between two marks of progress
KEPT_PROGRESS = 3600  # seconds until the stream of progress expires
SHOWN_WITHIN = 0.5  # seconds that Redis has to take one
FIRST_TO_GO = "1000"  # what the kernel ends first when memory is short (`oom_score_adj`)
CANCELLED = "cancelled"  # a file of this name beside the chat's ends its analysis


class Cancelled(Exception):
    """The chat was deleted while it was analysed."""


class Work(NamedTuple):
    """A chat to analyse; `url` is that of the Redis where progress is shown, `key` that of its stream there."""

    file: str
    format: str
    limit: int
    key: str
    url: str


class Analysts:
    """`processes` for small files, and as many for large ones; each task of theirs has `seconds` from when it begins, and
    each process `memory` bytes."""

    def __init__(self, processes: int, seconds: float, memory: int) -> None:
        self._seconds = seconds
        self._small, self._large = (Pool(processes, TASKS, bounded, memory, yields) for yields in (0, YIELDS))

    async def analyse(self, work: Work) -> Analysis:
        """Raises Unreadable, Cancelled, MemoryError, TooSlow, or Died where processes died again and again."""
        begun = await self._run(self._small, begin, work)
        if isinstance(begun, Analysis):
            return begun
        halves = range(len(begun.halves))
        readings = await all_of([self._run(self._large, read_half, work, begun, half) for half in halves])
        return await self._run(self._large, conclude, work, begun, readings)

    async def _run(self, pool: Pool, task: Callable[..., T], *words: Any) -> T:
        """Again when the process that works on it dies."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return await pool.run(self._seconds, task, *words)
            except Died:
                if not left:
                    raise
                log.warning("an analysing process died; trying again")
        raise Died

    @property
    def last_end(self) -> float:
        """When one of their tasks ended last, by the monotonic clock."""
        return max(self._small.last_end, self._large.last_end)

    def stop(self) -> None:
        for pool in (self._small, self._large):
            pool.stop()


async def all_of(works: list[Coroutine[Any, Any, T]]) -> list[T]:
    """All outcomes; where one fails, the others are broken off."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def bounded(memory: int, yields: int) -> None:
    """An analysing process may not take the container's memory: what needs more fails alone."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    os.nice(yields)


def begin(work: Work) -> Analysis | Plan:
    """The whole analysis of a small file, or how a large one is read."""
    plan = planned(Path(work.file), "", work.format or None, work.limit)
    if len(plan.halves) > 1:
        return plan
    return conclude(work, plan, [read_half(work, plan, 0)])


def read_half(work: Work, plan: Plan, half: int) -> Reading:
    """Shows its progress as it goes; the first half speaks for both."""
    told = 0.0

    def progress(share: float) -> None:
        nonlocal told
        if time.monotonic() - told >= SHOWN_EVERY:
            told = time.monotonic()
            if Path(work.file).with_name(CANCELLED).exists():
                raise Cancelled
            if not half:
                show(work.url, work.key, share, "analysing")

    with beside(work) as workspace:
        return read(Path(work.file), plan, half, Path(workspace), work.limit, progress)


def conclude(work: Work, plan: Plan, readings: list[Reading]) -> Analysis:
    found = concluded(plan, readings)
    if found is None:
        with beside(work) as workspace:
            found = analyse_whole(Path(work.file), plan, workspace=Path(workspace), limit=work.limit)
    return found


def beside(work: Work) -> tempfile.TemporaryDirectory[str]:
    """A folder for what is written on the way; it goes with that of the file, however the process ends."""
    return tempfile.TemporaryDirectory(dir=Path(work.file).parent, ignore_cleanup_errors=True)


def show(url: str, key: str, share: float, stage: str, **more: str) -> None:
    """Progress is ephemeral: while Redis is away, nobody sees it. `key` is the stream's."""
    with contextlib.suppress(redis.RedisError, OSError), connect(url, SHOWN_WITHIN) as connection:
        steps = connection.pipeline(transaction=False)
        steps.xadd(key, {"stage": stage, "share": f"{share:.3f}", **more}, maxlen=PROGRESS_STEPS)
        steps.expire(key, KEPT_PROGRESS)
        steps.execute()


def forget(url: str, key: str) -> None:
    """A deleted chat shows no progress."""
    with contextlib.suppress(redis.RedisError, OSError), connect(url, SHOWN_WITHIN) as connection:
        connection.delete(key)
