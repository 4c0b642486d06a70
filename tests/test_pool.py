"""The pool of analysing processes: each task has its own limit and its own death."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from streams.pool import Died, Pool, TooSlow

LONG = 60.0  # seconds; no task here takes as long


def nothing() -> None: ...


def identify() -> int:
    return os.getpid()


def wait_for_file(began: str, file: str) -> int:
    Path(began).write_text(str(os.getpid()))
    while not Path(file).exists():
        time.sleep(0.01)
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def want_memory() -> None:
    raise MemoryError


def answer_with_a_lock() -> object:
    import threading

    return threading.Lock()


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(2, 64, nothing)
    yield made
    made.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not true():  # noqa: ASYNC110  (another process makes it so)
            await asyncio.sleep(0.01)


def is_alive(pid: str) -> bool:
    return psutil.pid_exists(int(pid))


async def test_a_slow_task_is_killed_and_its_neighbour_is_not(pool: Pool, tmp_path: Path) -> None:
    began, go = tmp_path / "neighbour", tmp_path / "go"
    neighbour = asyncio.ensure_future(pool.run(LONG, wait_for_file, str(began), str(go)))
    await until(began.exists)
    with pytest.raises(TooSlow):
        await pool.run(0.2, wait_for_file, str(tmp_path / "slow"), str(tmp_path / "never"))
    go.touch()
    assert await neighbour == int(began.read_text())
    assert not is_alive((tmp_path / "slow").read_text())
    assert await pool.run(LONG, identify)


async def test_the_limit_runs_from_when_a_process_picks_the_task_up(tmp_path: Path) -> None:
    pool, began, go = Pool(1, 64, nothing), tmp_path / "first", tmp_path / "go"
    try:
        first = asyncio.ensure_future(pool.run(LONG, wait_for_file, str(began), str(go)))
        await until(began.exists)
        queued = asyncio.ensure_future(pool.run(1.0, identify))
        await asyncio.sleep(1.5)  # longer than the limit of the one that waits
        assert not queued.done()
        go.touch()
        assert await queued == await first
    finally:
        pool.stop()


async def test_a_death_is_told_to_its_own_task_only(pool: Pool, tmp_path: Path) -> None:
    began, go = tmp_path / "neighbour", tmp_path / "go"
    neighbour = asyncio.ensure_future(pool.run(LONG, wait_for_file, str(began), str(go)))
    await until(began.exists)
    for _ in range(3):
        with pytest.raises(Died):
            await pool.run(LONG, die)
    go.touch()
    assert await neighbour == int(began.read_text())


async def test_an_idle_process_that_died_is_replaced_without_a_word(pool: Pool) -> None:
    pid = await pool.run(LONG, identify)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert await pool.run(LONG, identify) != pid


async def test_a_failure_and_an_answer_that_cannot_be_sent_leave_the_process_alive(pool: Pool) -> None:
    pid = await pool.run(LONG, identify)
    with pytest.raises(MemoryError):
        await pool.run(LONG, want_memory)
    with pytest.raises(RuntimeError, match="cannot be sent"):
        await pool.run(LONG, answer_with_a_lock)
    assert await pool.run(LONG, identify) == pid


async def test_a_process_is_kept_and_replaced_after_its_tasks() -> None:
    pool = Pool(1, 2, nothing)
    try:
        pids = [await pool.run(LONG, identify) for _ in range(4)]
        assert pids[0] == pids[1] != pids[2] == pids[3]
    finally:
        pool.stop()


async def test_a_task_that_nobody_waits_for_any_more_is_killed_alone(pool: Pool, tmp_path: Path) -> None:
    began = tmp_path / "began"
    task = asyncio.ensure_future(pool.run(LONG, wait_for_file, str(began), str(tmp_path / "never")))
    await until(began.exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(began.read_text())
    assert await pool.run(LONG, identify)
