"""Where uploads and results lie: a folder on a laptop, S3 in a cluster. Everything of a chat stands under one prefix.

This is the one place that opens objects, so that encryption at rest has one place to come to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from config import Settings

CHUNK = 1024 * 1024  # bytes
PART = 5 * 1024 * 1024  # bytes; the least that S3 takes as a part
UPLOAD, META = "upload", "meta.json"
UNFINISHED = re.compile(r"#[0-9]+$")  # how the name of a file ends while a LocalStore writes it
LOOK, LOOKS = 0.01, 100  # seconds between two looks whether a part is gone, and how many there are
REMOVALS = 1_000  # attempts at a folder in which somebody else writes or removes
RETRIES = {  # of one request to S3; whoever can wait longer asks again
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}


class Missing(Exception):
    """There is no such object."""


class Unavailable(Exception):
    """The storage does not answer, or refuses to: the object may be there, and asking again may help."""


class Objects:
    """The object storage of an installation. Everything raises Unavailable while it is away.

    `make`: whether a folder that is not there is made. Who only reads what others stored takes its absence for an outage.
    """

    def __init__(self, settings: Settings, make: bool = True) -> None:
        url = settings.objects_url
        self._root = Path(unquote(urlparse(url).path)) if url.startswith("file:") else None
        self._settings = settings
        if self._root is not None and make:
            self._root.mkdir(parents=True, exist_ok=True)

    async def put(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Stores a stream in constant memory; when the stream raises, nothing is stored."""
        try:
            with self._answering(path):
                self._look()
                await obstore.put_async(self._store, path, _filled(chunks), chunk_size=PART, max_concurrency=2)
        except BaseException:
            await self._broken_off(path)
            raise

    async def _broken_off(self, path: str) -> None:
        """Removes the folder if nothing else is in it. The store drops the part of a cancelled upload only afterwards."""
        part = None if self._root is None else self._root / path
        for _ in range(LOOKS):
            if part is None or not list(part.parent.glob(f"{part.name}#*")):
                break
            await asyncio.sleep(LOOK)
        self._prune(path)

    async def write(self, path: str, content: bytes) -> None:
        with self._answering(path):
            self._look()
            await obstore.put_async(self._store, path, content)

    async def read(self, path: str) -> bytes:
        """Raises Missing."""
        with self._answering(path):
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())

    async def fetch(self, path: str, to: Path) -> Path:
        """A local copy, made in constant memory. Raises Missing."""
        with self._answering(path):
            answer = await obstore.get_async(self._store, path)
            with to.open("wb") as out:
                async for chunk in answer.stream(min_chunk_size=CHUNK):
                    out.write(chunk)
        return to

    async def size(self, path: str) -> int:
        """Bytes of an object. Raises Missing."""
        with self._answering(path):
            return int((await obstore.head_async(self._store, path))["size"])

    async def exists(self, path: str) -> bool:
        try:
            await self.size(path)
        except Missing:
            return False
        return True

    async def remove(self, path: str) -> None:
        """Removing what is not there is no mistake."""
        with contextlib.suppress(Missing), self._answering(path):
            await obstore.delete_async(self._store, path)

    async def remove_all(self, folder: str) -> None:
        """Everything under a prefix, also while another process writes or removes there."""
        if self._root is not None:
            with self._answering(folder):
                self._look()
                await asyncio.to_thread(self._remove_folder, self._root / folder)
            return
        for _ in range(REMOVALS):
            with contextlib.suppress(Missing), self._answering(folder):
                async for listed in obstore.list(self._store, folder):
                    for entry in listed:
                        await self.remove(entry["path"])
                return

    async def sweep(self, seconds: float) -> int:
        """Removes unfinished files into which nobody wrote for so long; how many. S3 hides them from us.

        A process that is killed while it stores a file leaves them, and the store neither lists nor removes them.
        """
        return 0 if self._root is None else await asyncio.to_thread(self._sweep, self._root, seconds)

    @cached_property
    def _store(self) -> Any:
        self._look()
        return _opened(self._settings, self._root)

    @contextlib.contextmanager
    def _answering(self, path: str) -> Iterator[None]:
        """Raises Missing or Unavailable for what the store or the disk says."""
        try:
            yield
        except FileNotFoundError:
            self._look()
            raise Missing(path) from None
        except (BaseError, OSError) as away:
            raise Unavailable(f"the storage does not answer ({type(away).__name__})") from away

    def _look(self) -> None:
        """A folder that is gone is a disk that is gone: without it everything would seem to be missing."""
        if self._root is not None and not self._root.is_dir():
            raise Unavailable(f"the folder of the storage is gone ({self._root.name}/)")

    def _remove_folder(self, folder: Path) -> None:
        """By path: also what the store does not list."""
        for _ in range(REMOVALS):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder, onerror=_unless_vanished)
            if not folder.exists():
                break
        else:
            raise Unavailable(f"a folder of the storage cannot be removed ({folder.name}/)")
        self._prune(str(folder.relative_to(self._root or folder)))

    def _sweep(self, root: Path, seconds: float) -> int:
        removed = 0
        for folder, _, names in os.walk(root):  # unlike a glob it bears that folders vanish
            for file in (Path(folder, name) for name in names if UNFINISHED.search(name)):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - file.stat().st_mtime >= seconds:
                        file.unlink()
                        self._prune(str(file.relative_to(root)))
                        removed += 1
        return removed

    def _prune(self, path: str) -> None:
        """Removes the folders above a path that are empty."""
        if self._root is None:
            return
        for above in (self._root / path).parents:
            if above == self._root or not above.is_relative_to(self._root):
                return
            try:
                above.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return


def folder_of(key: str, chat_id: str) -> str:
    """Everything of one chat; `key` is `<tenant>/<user>`."""
    return f"chats/{key}/{chat_id}"


def result_of(folder: str, analyser: int) -> str:
    return f"{folder}/result-v{analyser}.json"


def failure_of(folder: str, analyser: int, attempt: int = 1) -> str:
    """A failure answers for its own attempt only."""
    return f"{folder}/failure-v{analyser}{f'-{attempt}' if attempt > 1 else ''}.json"


def began_of(folder: str, analyser: int, attempt: int = 1) -> str:
    """How often an attempt was begun whose worker did not live to end it."""
    return f"{folder}/began-v{analyser}-{attempt}.json"


async def _filled(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts large enough for S3."""
    part = bytearray()
    async for chunk in chunks:
        part += chunk
        if len(part) >= PART:
            yield bytes(part)
            part.clear()
    yield bytes(part)


def _unless_vanished(function: Any, path: str, failure: Any) -> None:
    """Another one who removes the folder was faster, or somebody has just written into it; the next look tells."""
    if not isinstance(failure[1], FileNotFoundError) and Path(path).is_file():
        raise failure[1]


@cache
def _s3(url: str, region: str, endpoint: str) -> Any:
    options = {"connect_timeout": timedelta(seconds=5), "allow_http": endpoint.startswith("http://")}
    named = {name: value for name, value in {"region": region, "endpoint": endpoint}.items() if value}
    return from_url(url, client_options=options, retry_config=RETRIES, **named)  # type: ignore[call-overload]


def _opened(settings: Settings, root: Path | None) -> Any:
    if root is not None:
        return LocalStore(root)
    return _s3(settings.objects_url, settings.objects.region, settings.objects.endpoint)
