"""The one way to Redis: one server, Sentinels; a policy that evicts. On real servers."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import redis

from api.copy import Copy, Wanted
from api.problem import Problem
from api.progress import EVERY, ProgressFeed
from api.stopping import Stopping
from cli.local.ports import free
from cli.local.valkey import Valkey, pongs, server
from config import Settings
from config.address import check, parse
from config.redis import connect, connect_async, risk
from tests.conftest import eventually
from topics import CHAT_ROWS
from topics.copy import APPLY, BEGIN, progress_key, rows_key, state_key
from topics.place import partition_of

SLOTS = 16384  # of a cluster
# The client leaves connections to Sentinels open, and to nodes of which it learned the others.
LEAVES_OPEN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test left open is found in it, and not in whichever test the next collection falls."""
    yield
    gc.collect()


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


def written(client: redis.Redis, key: str = "main/u1") -> None:
    """As the projector does."""
    place = partition_of(key, 8)
    state, rows = state_key(CHAT_ROWS.name, place), rows_key(CHAT_ROWS.name, place, key)
    assert int(client.register_script(BEGIN)(keys=[state], args=["id"])) == 0
    applied = client.register_script(APPLY)(keys=[state, rows], args=["id", "0", "1", b'{"next":{}}', "1", "c1", b"{}"])
    assert int(applied) == 1
    client.xadd(progress_key(place, key), {"stage": "done", "share": "1.0"})


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[tuple[Copy, ProgressFeed]]:
    """As the edge does."""
    stopping = Stopping(1.0)
    copy = Copy(Settings(redis={"url": url}), stopping)  # type: ignore[arg-type]
    progress = ProgressFeed(copy, stopping)
    running = asyncio.ensure_future(progress.run())
    try:
        yield copy, progress
    finally:
        stopping.begin()
        await running
        await copy.close()


async def is_read(url: str, key: str = "main/u1") -> None:
    async with reading(url) as (copy, progress):
        found = await copy.snapshot(CHAT_ROWS, key, Wanted(None, 0.0))
        assert found.rows == {"c1": b"{}"}
        assert await stages(progress, key, 2.0) == ["done"]
        assert (await progress.newest(found.partition, key) or {})["stage"] == "done"


async def stages(progress: ProgressFeed, key: str, seconds: float) -> list[str]:
    return [step["stage"] async for _, step in progress.follow(partition_of(key, 8), key, "0", seconds)]


@pytest.mark.parametrize("protocol", ["", "?protocol=3"])
async def test_one_server_is_spoken_to_in_one_protocol(tmp_path: Path, protocol: str) -> None:
    with serving(tmp_path) as port:
        url = f"redis://127.0.0.1:{port}/0{protocol}"
        with connect(url, 5.0) as client:
            written(client)
        await is_read(url)


async def test_progress_survives_a_moment_without_redis_and_comes_back_after_a_long_one(tmp_path: Path) -> None:
    key, valkey = "main/u1", Valkey(tmp_path / "valkey", free(), tmp_path)
    valkey.start()
    try:
        async with reading(valkey.url) as (_, progress):
            watching = asyncio.ensure_future(stages(progress, key, 4.0))
            await asyncio.sleep(0.5)
            os.kill(valkey.pid, signal.SIGSTOP)
            await asyncio.sleep(1.5)  # longer than one look takes
            os.kill(valkey.pid, signal.SIGCONT)
            with connect(valkey.url, 5.0) as client:
                written(client)
            assert await watching == ["done"], "a look without an answer ends no stream"

            await asyncio.to_thread(valkey.stop)
            began = time.monotonic()
            assert await stages(progress, key, 60.0) == []
            assert time.monotonic() - began < 30, "watchers are sent away"

            await asyncio.to_thread(valkey.start)
            with connect(valkey.url, 5.0) as client:
                written(client)
            await asyncio.sleep(2 * EVERY)  # until it has seen that nobody is left to be sent away
            assert await stages(progress, key, 3.0) == ["done"], "later watchers get it"
    finally:
        valkey.stop()


@LEAVES_OPEN
async def test_the_server_that_sentinels_name(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        (tmp_path / "sentinel.conf").write_text(f"sentinel monitor soulfra 127.0.0.1 {port} 1\n")
        with serving(tmp_path, str(tmp_path / "sentinel.conf"), "--sentinel") as sentinel:
            url = f"redis+sentinel://127.0.0.1:{sentinel}/soulfra/0"
            with connect(url, 5.0) as client:
                written(client)
            await is_read(url)


@contextmanager
def cluster(folder: Path, nodes: int = 3) -> Iterator[list[int]]:
    """The ports of its nodes; the slots are shared out evenly."""
    with ExitStack() as stack:
        buses = [free() for _ in range(nodes)]
        ports = [
            stack.enter_context(serving(folder, "--cluster-enabled", "yes", "--cluster-port", str(bus),
                                        "--cluster-config-file", f"nodes-{bus}.conf"))
            for bus in buses
        ]  # fmt: skip
        clients = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        for n, client in enumerate(clients):
            client.execute_command("CLUSTER ADDSLOTSRANGE", n * SLOTS // nodes, (n + 1) * SLOTS // nodes - 1)
            client.execute_command("CLUSTER MEET", "127.0.0.1", ports[0], buses[0])
        complete = {"cluster_state": "ok", "cluster_size": str(nodes)}
        assert eventually(lambda: all(complete.items() <= client.cluster("INFO").items() for client in clients))
        yield ports


@LEAVES_OPEN
async def test_a_cluster_keeps_the_rows_of_a_partition_together(tmp_path: Path) -> None:
    by_partition = {partition_of(f"main/u{n}", 8): f"main/u{n}" for n in range(99)}
    keys = list(by_partition.values())
    with cluster(tmp_path) as ports:
        url = f"redis+cluster://127.0.0.1:{ports[1]},127.0.0.1:{ports[0]}"
        with connect(url, 5.0) as client:
            for key in keys:
                written(client, key)
            with redis.Redis(port=ports[2]) as one:
                one.config_set("maxmemory-policy", "allkeys-lfu")
            assert "allkeys-lfu" in risk(client)
        for key in keys:
            await is_read(url, key)
        with redis.Redis(port=ports[0]) as one:
            assert 0 < one.dbsize() < 24, "all on one node"


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
            other.client_pause(20_000)
            began = time.monotonic()
            with pytest.raises(redis.TimeoutError):
                await client.get("a")
            assert time.monotonic() - began < 10
        await client.aclose()


def test_addresses_that_cannot_be_understood_are_refused_with_a_form() -> None:
    for wrong in ("redis+sentinel://host:26379", "redis+sentinel://", "redis+sentinel://host:port/name"):
        with pytest.raises(ValueError, match="redis\\+sentinel://host:26379,host:26379/name/0"):
            check(wrong)
    for wrong in ("localhost:6379", "http://host", "redis://host:many", "redis://host/first", "redis+ring://host", ""):
        with pytest.raises(ValueError, match="write redis://host:6379/0, redis\\+sentinel"):
            check(wrong)
    for right in ("redis://host", "rediss://user:pass@host:6379/2?ssl_cert_reqs=none", "rediss+cluster://a,b:7000"):
        check(right)
    found = parse("redis+sentinel://user:p%40ss@a,b:1/name/2")
    assert found.hosts == [("a", 26379), ("b", 1)] and found.login == {"username": "user", "password": "p@ss", "db": 2}
    assert parse("rediss+cluster://:secret@a,b:1").login == {"password": "secret", "ssl": True}


async def test_while_the_copy_is_away_reads_say_so(tmp_path: Path) -> None:
    copy = Copy(Settings(redis={"url": f"redis://127.0.0.1:{free()}"}), Stopping(1.0))  # type: ignore[arg-type]
    with pytest.raises(Problem) as problem:
        await copy.snapshot(CHAT_ROWS, "main/u1", Wanted(None, 0.0))
    assert problem.value.status == 503
