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
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
import redis

from soulfra.analysis import Analysis, analyse_whole, concluded
from soulfra.reading import Plan, Reading, planned, read
from streams.pool import Died, Pool
from topics.copy import progress_key

T = TypeVar("T")
log = logging.getLogger("soulfra.analysis")

MEMORY = 2 * 1024**3  # bytes of address space of one analysing process; 100 MB need a quarter of it
ATTEMPTS = 3  # at a task whose process dies
TASKS = 64  # of one process, until a fresh one takes its place
YIELDS = 10  # by which the processes of large files are nicer than those of small ones
SHOWN_EVERY = 0.25  # seconds between two marks of progress
KEPT_PROGRESS = 3600  # seconds until the stream of progress expires
WORKSPACE = "soulfra-worker-"
CANCELLED = "cancelled"  # a file of this name beside the chat's ends its analysis


class Cancelled(Exception):
    """The chat was deleted while it was analysed."""


class Work(NamedTuple):
    """A chat to analyse; `url` is that of the Redis where progress is shown."""

    file: str
    format: str
    limit: int
    chat_id: str
    url: str


class Analysts:
    """`processes` for small files, and as many for large ones; each task of theirs has `seconds` from when it begins."""

    def __init__(self, processes: int, seconds: float) -> None:
        self._seconds = seconds
        self._small, self._large = (Pool(processes, TASKS, bounded, yields) for yields in (0, YIELDS))

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


def bounded(yields: int) -> None:
    """An analysing process may not take the machine's memory: what needs more fails alone."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
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
                show(work.url, work.chat_id, share, "analysing")

    with workspace_of(os.getppid()) as workspace:
        return read(Path(work.file), plan, half, Path(workspace), work.limit, progress)


def conclude(work: Work, plan: Plan, readings: list[Reading]) -> Analysis:
    found = concluded(plan, readings)
    if found is None:
        with workspace_of(os.getppid()) as workspace:
            found = analyse_whole(Path(work.file), plan, workspace=Path(workspace), limit=work.limit)
    return found


def workspace_of(worker: int) -> tempfile.TemporaryDirectory[str]:
    """A folder that names the worker, so that a later one can tell whether it is still of use."""
    return tempfile.TemporaryDirectory(prefix=f"{WORKSPACE}{worker}-")


def sweep() -> None:
    """Removes the folders of workers that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{WORKSPACE}*-*"):
        worker = left.name.removeprefix(WORKSPACE).partition("-")[0]
        if worker.isdigit() and not psutil.pid_exists(int(worker)):
            shutil.rmtree(left, ignore_errors=True)


def show(url: str, chat_id: str, share: float, stage: str, **more: str) -> None:
    """Progress is ephemeral: while Redis is away, nobody sees it."""
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=0.5) as connection:
        steps = connection.pipeline(transaction=False)
        steps.xadd(progress_key(chat_id), {"stage": stage, "share": f"{share:.3f}", **more}, maxlen=200)
        steps.expire(progress_key(chat_id), KEPT_PROGRESS)
        steps.execute()


def forget(url: str, chat_id: str) -> None:
    """A deleted chat shows no progress."""
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=0.5) as connection:
        connection.delete(progress_key(chat_id))
