"""The object storage, a folder and S3: nothing stays of what was removed or broken off, and an outage is no absence."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from config import Settings
from config.objects import Missing, Objects, Unavailable
from tests.conftest import eventually
from tests.s3 import S3

PART = 6 * 1024 * 1024
KILLED = """
import asyncio, sys
from config import Settings
from config.objects import Objects
async def chunks():
    yield b"private" * 1_000_000
    print("stored a part", flush=True)
    await asyncio.sleep(3600)
asyncio.run(Objects(Settings(objects={"url": sys.argv[1]})).put("chats/main/u/c/upload", chunks()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def local(folder: Path) -> Objects:
    return Objects(Settings(objects={"url": folder.as_uri()}))  # type: ignore[arg-type]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    server = S3()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.stop()


def left(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def move(folder: Path, name: str) -> None:
    folder.rename(folder.with_name(name))


def kill_during_upload(folder: Path) -> Path:
    """The part file that a process leaves which is killed in the middle of an upload."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, folder.as_uri()], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline()
    part = folder / "chats/main/u/c/upload#1"
    assert eventually(part.exists)
    process.kill()
    process.wait()
    process.stdout.close()
    return part


class Gone(Exception):
    """The client went away."""


async def broken_off() -> AsyncIterator[bytes]:
    yield b"x" * PART
    yield b"x" * PART
    raise Gone


async def test_removing_a_chat_leaves_no_byte_of_an_upload_that_was_killed(folder: Path, local: Objects) -> None:
    kill_during_upload(folder)
    await local.write("chats/main/u/c/meta.json", b"{}")
    await local.remove_all("chats/main/u/c")
    assert left(folder) == []


async def test_what_a_killed_upload_left_is_swept_by_age(folder: Path, local: Objects) -> None:
    part = kill_during_upload(folder)
    await local.write("chats/main/u/other/upload", b"somebody else's")
    assert await local.sweep(3600) == 0 and part.exists(), "somebody may be writing it"
    os.utime(part, (0, time.time() - 3601))
    assert await local.sweep(3600) == 1
    assert [path.name for path in left(folder) if path.is_file()] == ["upload"] and not part.parent.exists()


async def test_an_upload_that_is_broken_off_leaves_no_file_and_no_folder(folder: Path, local: Objects) -> None:
    with pytest.raises(Gone):
        await local.put("chats/main/u/c/upload", broken_off())
    assert left(folder) == []


async def test_an_upload_that_is_cancelled_leaves_no_file_and_no_folder(folder: Path, local: Objects) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * PART
            await asyncio.sleep(0.05)

    uploading = asyncio.ensure_future(local.put("chats/main/u/c/upload", endless()))
    await asyncio.sleep(0.5)
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert left(folder) == []


async def test_removing_one_persons_chat_keeps_everything_else(folder: Path, local: Objects) -> None:
    for name in ("chats/main/u/c1/upload", "chats/main/u/c10/upload", "chats/main/v/c1/upload"):
        await local.write(name, b"x")
    await local.remove_all("chats/main/u/c1")
    names = [str(path.relative_to(folder)) for path in left(folder) if path.is_file()]
    assert names == ["chats/main/u/c10/upload", "chats/main/v/c1/upload"]
    await local.remove_all("chats/main/u/c1")


async def test_a_folder_that_went_away_is_an_outage_and_not_an_absence(folder: Path, local: Objects) -> None:
    await local.write("chats/a", b"1")
    with pytest.raises(Missing):
        await local.read("chats/b")
    move(folder, "away")
    for use in (local.read("chats/a"), local.size("chats/a"), local.write("chats/c", b"2"),
                local.remove("chats/a"), local.remove_all("chats")):  # fmt: skip
        with pytest.raises(Unavailable):
            await use
    assert left(folder) == [], "an outage is papered over with an empty folder"
    move(folder.with_name("away"), folder.name)
    assert await local.read("chats/a") == b"1"


async def test_one_who_starts_while_the_folder_is_away_does_not_make_an_empty_one(folder: Path, local: Objects) -> None:
    await local.write("chats/a", b"1")
    move(folder, "away")
    late = Objects(Settings(objects={"url": folder.as_uri()}), make=False)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await late.read("chats/a")
    assert left(folder) == []
    move(folder.with_name("away"), folder.name)
    assert await late.read("chats/a") == b"1"


async def test_s3_keeps_reads_and_removes(s3: S3, tmp_path: Path) -> None:
    objects = Objects(Settings())

    async def large() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * PART

    await objects.put("chats/main/u/c/upload", large())
    await objects.write("chats/main/u/c/meta.json", b"{}")
    await objects.write("chats/main/u/c2/meta.json", b"{}")
    assert (await objects.fetch("chats/main/u/c/upload", tmp_path / "copy")).stat().st_size == 3 * PART
    assert await objects.size("chats/main/u/c/meta.json") == 2
    await objects.remove_all("chats/main/u/c")
    assert set(s3.objects) == {"chats/main/u/c2/meta.json"} and not s3.unfinished
    with pytest.raises(Missing):
        await objects.read("chats/main/u/c/upload")


async def test_an_upload_to_s3_that_is_broken_off_is_aborted(s3: S3) -> None:
    with pytest.raises(Gone):
        await Objects(Settings()).put("chats/main/u/c/upload", broken_off())
    assert eventually(lambda: not s3.unfinished) and not s3.objects


async def test_an_s3_that_went_away_is_an_outage_and_not_an_absence(s3: S3) -> None:
    objects = Objects(Settings())
    await objects.write("chats/a", b"1")
    s3.stop()
    with pytest.raises(Unavailable):
        await objects.read("chats/a")
    s3.start()
    assert await objects.read("chats/a") == b"1"
