"""Processes that each work on one task at a time, and each of which can be killed and replaced without the others.

`concurrent.futures.ProcessPoolExecutor` fails every task that is under way when one of its processes dies.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")

SPAWN = multiprocessing.get_context("spawn")
START = 120.0  # seconds in which a new process must be ready on a busy machine


class Died(Exception):
    """The process that worked on the task is dead, by a signal or for want of memory."""


class Ended(Exception):
    """The pool was stopped; the task says nothing about itself."""


class TooSlow(Exception):
    """The task took longer than its limit; its process was killed."""


class Process:
    """A spawned process and the pipe to it."""

    def __init__(self, prepare: Callable[..., None], words: tuple[Any, ...]) -> None:
        self.tasks = 0
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=work, args=(theirs, prepare, words), daemon=True)
        self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Raises Died when it does not start."""
        try:
            if self._pipe.poll(START):
                self._pipe.recv()
                return
        except (EOFError, OSError):
            pass
        raise Died("an analysing process does not start")

    def do(self, task: Callable[..., Any], words: tuple[Any, ...]) -> Any:
        """The task's value. Raises Died, or what the task raises."""
        self.tasks += 1
        try:
            self._pipe.send((task, words))
            good, value = self._pipe.recv()
        except (EOFError, OSError):
            raise Died("the process that worked on the task died") from None
        if good:
            return value
        raise value

    def kill(self) -> None:
        """Also breaks off `do`, which another thread waits in."""
        self._process.kill()
        self._process.join()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()


class Pool:
    """At most `size` processes, which start when they are needed and are replaced after `most_tasks`.

    Each runs `prepare(*words)` first. `last_end` is when a task ended last, by the monotonic clock.
    """

    def __init__(self, size: int, most_tasks: int, prepare: Callable[..., None], *words: Any) -> None:
        self._size, self._most_tasks = size, most_tasks
        self._prepare, self._words = prepare, words
        self._places = asyncio.Semaphore(size)
        self._threads = ThreadPoolExecutor(size, "pool")
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        self._stopped = False
        self.last_end = time.monotonic()

    async def run(self, seconds: float, task: Callable[..., T], *words: Any) -> T:
        """Waits for a process, then at most `seconds` for the task. Raises TooSlow, Died, Ended, or what the task raises."""
        async with self._places:
            process = await self._ready()
            working = asyncio.ensure_future(self._in_thread(process.do, task, words))
            try:
                await asyncio.wait([working], timeout=seconds)
            except asyncio.CancelledError:
                working.cancel()
                raise
            finally:
                self.last_end = time.monotonic()
                if not working.done():
                    await self._remove(process)
            return await self._outcome(process, working)

    async def _outcome(self, process: Process, working: asyncio.Future[T]) -> T:
        too_slow = process not in self._all
        try:
            return await working
        except Died:
            await self._remove(process)
            if self._stopped:
                raise Ended from None
            if too_slow:
                raise TooSlow from None
            raise
        finally:
            await self._give_back(process)

    async def _ready(self) -> Process:
        """An idle process that lives, or a new one. Raises Died when it does not start, or Ended."""
        if self._stopped:
            raise Ended
        while self._idle:
            if (process := self._idle.pop()).alive:
                return process
            await self._remove(process)
        starting = asyncio.ensure_future(self._in_thread(self._start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(self._keep)
            raise

    def _start(self) -> Process:
        process = Process(self._prepare, self._words)
        self._all.add(process)
        try:
            process.wait_until_ready()
        except BaseException:
            self._all.discard(process)
            process.kill()
            raise
        if self._stopped:  # meanwhile
            process.kill()
        return process

    def _keep(self, started: asyncio.Future[Process]) -> None:
        """Nobody waits any more for a process that starts; the next task takes it."""
        if not started.cancelled() and started.exception() is None:
            self._idle.append(started.result())

    async def _give_back(self, process: Process) -> None:
        if process not in self._all:
            return
        if process.tasks < self._most_tasks and len(self._idle) < self._size:
            self._idle.append(process)
        else:
            await self._remove(process)

    async def _remove(self, process: Process) -> None:
        """Only this one: the others work on."""
        self._all.discard(process)
        await asyncio.shield(asyncio.to_thread(process.kill))

    async def _in_thread(self, function: Callable[..., T], *words: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *words)

    def stop(self) -> None:
        self._stopped = True
        for process in list(self._all):
            process.kill()
        self._threads.shutdown(wait=False, cancel_futures=True)


def work(pipe: Connection, prepare: Callable[..., None], words: tuple[Any, ...]) -> None:
    """What a process does until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to deal with
    prepare(*words)
    try:
        pipe.send(None)
        while True:
            task, arguments = pipe.recv()
            answer(pipe, *outcome(task, arguments))
            del task, arguments
    except (EOFError, OSError):
        return


def outcome(task: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, task(*arguments)
    except Exception as failed:
        failed.add_note(traceback.format_exc())  # a traceback does not travel
        return False, failed


def answer(pipe: Connection, good: bool, value: Any) -> None:
    """What cannot be sent is a failure of the task."""
    try:
        pipe.send((good, value))
    except (EOFError, OSError):
        raise
    except MemoryError:
        pipe.send((False, MemoryError()))
    except Exception as failed:
        pipe.send((False, RuntimeError(f"the outcome cannot be sent: {failed!r}")))
