"""Where uploads and results lie: a folder on a laptop, S3 in a cluster. Everything of a chat stands under one prefix.

This is the one place that opens objects, so that encryption at rest has one place to come to.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import obstore
from obstore.store import LocalStore, from_url

from config import Settings

CHUNK = 1024 * 1024  # bytes
PART = 5 * 1024 * 1024  # bytes; the least that S3 takes as a part
UPLOAD, META = "upload", "meta.json"


class Missing(Exception):
    """There is no such object."""


class Objects:
    """The object storage of an installation."""

    def __init__(self, settings: Settings) -> None:
        self._store: Any = _opened(settings)

    async def put(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Stores a stream in constant memory; when the stream raises, nothing is stored."""
        await obstore.put_async(self._store, path, _filled(chunks), chunk_size=PART, max_concurrency=2)

    async def write(self, path: str, content: bytes) -> None:
        await obstore.put_async(self._store, path, content)

    async def read(self, path: str) -> bytes:
        """Raises Missing."""
        try:
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except FileNotFoundError:
            raise Missing(path) from None

    async def fetch(self, path: str, to: Path) -> Path:
        """A local copy, made in constant memory. Raises Missing."""
        try:
            found = await obstore.get_async(self._store, path)
        except FileNotFoundError:
            raise Missing(path) from None
        with to.open("wb") as out:
            async for chunk in found.stream(min_chunk_size=CHUNK):
                out.write(chunk)
        return to

    async def exists(self, path: str) -> bool:
        try:
            await obstore.head_async(self._store, path)
        except FileNotFoundError:
            return False
        return True

    async def remove(self, path: str) -> None:
        """Removing what is not there is no mistake."""
        with contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, path)

    async def remove_all(self, folder: str) -> None:
        """Also while another process removes it: a list in which something vanished is asked for again."""
        while True:
            try:
                async for listed in obstore.list(self._store, folder):
                    for found in listed:
                        await self.remove(found["path"])
                return
            except FileNotFoundError:
                continue


def folder_of(key: str, chat_id: str) -> str:
    """Everything of one chat; `key` is `<tenant>/<user>`."""
    return f"chats/{key}/{chat_id}"


def result_of(folder: str, analyser: int) -> str:
    return f"{folder}/result-v{analyser}.json"


def failure_of(folder: str, analyser: int) -> str:
    return f"{folder}/failure-v{analyser}.json"


async def _filled(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts large enough for S3."""
    part = bytearray()
    async for chunk in chunks:
        part += chunk
        if len(part) >= PART:
            yield bytes(part)
            part.clear()
    yield bytes(part)


@cache
def _s3(url: str, region: str, endpoint: str) -> Any:
    given = {"region": region, "endpoint": endpoint}
    return from_url(url, **{name: value for name, value in given.items() if value})  # type: ignore[call-overload]


def _opened(settings: Settings) -> Any:
    url = settings.objects_url
    if url.startswith("file:"):
        return LocalStore(Path(unquote(urlparse(url).path)), mkdir=True)
    return _s3(url, settings.objects.region, settings.objects.endpoint)
