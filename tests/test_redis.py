"""The one way to Redis: one server, Sentinels; a policy that evicts. On real servers."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from api.copy import Copy, Wanted
from api.problem import Problem
from api.progress import ProgressFeed
from api.stopping import Stopping
from cli.local.ports import free
from cli.local.valkey import pongs, server
from config import Settings
from config.redis import connect, connect_async, parse, risk
from tests.conftest import eventually
from topics import CHAT_ROWS
from topics.copy import APPLY, BEGIN, progress_key, rows_key, state_key
from topics.place import partition_of


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[int]:
    port = free()
    argv = [server(), *words, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        assert eventually(lambda: pongs(port)), (folder / f"{port}.log").read_text()
        yield port
    finally:
        process.kill()
        process.wait(10)


def written(client: redis.Redis) -> None:
    """As the projector does."""
    place = partition_of("main/u1", 8)
    state, rows = state_key(CHAT_ROWS.name, place), rows_key(CHAT_ROWS.name, place, "main/u1")
    assert int(client.register_script(BEGIN)(keys=[state], args=["id"])) == 0
    applied = client.register_script(APPLY)(keys=[state, rows], args=["id", "0", "1", b'{"next":{}}', "1", "c1", b"{}"])
    assert int(applied) == 1
    client.xadd(progress_key(place, "c1"), {"stage": "done", "share": "1.0"})


async def is_read(url: str) -> None:
    """As the edge does."""
    stopping = Stopping(1.0)
    copy = Copy(Settings(redis={"url": url}), stopping)  # type: ignore[arg-type]
    progress = ProgressFeed(copy, stopping)
    running = asyncio.ensure_future(progress.run())
    try:
        found = await copy.snapshot(CHAT_ROWS, "main/u1", Wanted(None, 0.0))
        assert found.rows == {"c1": b"{}"}
        steps = [step async for _, step in progress.follow(found.partition, "c1", "0", 2.0)]
        assert [step["stage"] for step in steps] == ["done"]
    finally:
        stopping.begin()
        await running
        await copy.redis.aclose()


@pytest.mark.parametrize("protocol", ["", "?protocol=3"])
async def test_one_server_is_spoken_to_in_one_protocol(tmp_path: Path, protocol: str) -> None:
    with serving(tmp_path) as port:
        url = f"redis://127.0.0.1:{port}/0{protocol}"
        with connect(url, 5.0) as client:
            written(client)
        await is_read(url)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the client leaves those to Sentinels open
async def test_the_server_that_sentinels_name(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        (tmp_path / "sentinel.conf").write_text(f"sentinel monitor soulfra 127.0.0.1 {port} 1\n")
        with serving(tmp_path, str(tmp_path / "sentinel.conf"), "--sentinel") as sentinel:
            url = f"redis+sentinel://127.0.0.1:{sentinel}/soulfra/0"
            with connect(url, 5.0) as client:
                written(client)
            await is_read(url)


def test_a_server_that_evicts_is_named(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--maxmemory-policy", "allkeys-lru") as port,
        connect(f"redis://127.0.0.1:{port}", 5.0) as client,
    ):
        assert "allkeys-lru" in risk(client) and "noeviction" in risk(client)
        client.config_set("maxmemory-policy", "noeviction")
        assert risk(client) == ""


async def test_a_connection_that_broke_is_tried_once_more_and_a_server_that_hangs_is_not(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        client = connect_async(f"redis://127.0.0.1:{port}", 0.5, 1)
        await client.set("a", "b")
        with redis.Redis(port=port) as other:
            other.client_kill_filter(_type="normal", skipme=True)
            assert await client.get("a") == b"b"
            other.client_pause(3_000)
            began = time.monotonic()
            with pytest.raises(redis.TimeoutError):
                await client.get("a")
            assert time.monotonic() - began < 2
        await client.aclose()


def test_addresses_that_cannot_be_understood_are_refused_with_a_form() -> None:
    for wrong in ("redis+sentinel://host:26379", "redis+sentinel://"):
        with pytest.raises(ValueError, match="redis\\+sentinel://host:26379,host:26379/name/0"):
            parse(wrong)
    found = parse("redis+sentinel://user:p%40ss@a,b:1/name/2")
    assert found.hosts == [("a", 26379), ("b", 1)] and found.login == {"username": "user", "password": "p@ss", "db": 2}


async def test_while_the_copy_is_away_reads_say_so(tmp_path: Path) -> None:
    copy = Copy(Settings(redis={"url": f"redis://127.0.0.1:{free()}"}), Stopping(1.0))  # type: ignore[arg-type]
    with pytest.raises(Problem) as problem:
        await copy.snapshot(CHAT_ROWS, "main/u1", Wanted(None, 0.0))
    assert problem.value.status == 503
