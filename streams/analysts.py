"""The processes in which chats are analysed.

Small files have processes of their own, and those of large ones yield to them: nobody waits behind somebody's 100 MB. A large
file is read in two halves, by two processes where two are free.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
import redis

from soulfra.analysis import Analysis, analyse_whole, concluded
from soulfra.reading import Plan, Reading, planned, read
from topics.copy import progress_key

T = TypeVar("T")

MEMORY = 2 * 1024**3  # bytes of address space of one analysing process; 100 MB need a quarter of it
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
    """`processes` for small files, and as many for large ones; they start when they are needed."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._small, self._large = self._fresh(0), self._fresh(YIELDS)

    def _fresh(self, yields: int) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._processes, spawn, bounded, (yields,), max_tasks_per_child=TASKS)

    async def analyse(self, work: Work) -> Analysis:
        """Raises Unreadable, Cancelled, MemoryError, or BrokenProcessPool where a process died."""
        begun = await self._run(self._small, begin, work)
        if isinstance(begun, Analysis):
            return begun
        halves = range(len(begun.halves))
        readings = await asyncio.gather(*(self._run(self._large, read_half, work, begun, half) for half in halves))
        return await self._run(self._large, conclude, work, begun, readings)

    async def _run(self, pool: ProcessPoolExecutor, do: Callable[..., T], *words: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, do, *words)

    def renewed(self) -> Analysts:
        """Fresh ones in the place of broken or stuck ones, which are killed."""
        for pool in (self._small, self._large):
            for process in list((pool._processes or {}).values()):
                process.kill()
        self.stop()
        return Analysts(self._processes)

    def stop(self) -> None:
        for pool in (self._small, self._large):
            pool.shutdown(wait=False, cancel_futures=True)


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


def show(url: str, chat_id: str, share: float, stage: str) -> None:
    """Progress is ephemeral: when Redis is away, nobody is told."""
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=0.5) as connection:
        steps = connection.pipeline(transaction=False)
        steps.xadd(progress_key(chat_id), {"stage": stage, "share": f"{share:.3f}"}, maxlen=200)
        steps.expire(progress_key(chat_id), KEPT_PROGRESS)
        steps.execute()
