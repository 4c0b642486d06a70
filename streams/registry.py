"""Contracts of a Confluent-compatible registry, for events written with a schema that is not one of ours.

Only 404 means that a schema does not exist. Whatever else a registry answers says nothing about the event, which may be
good: it stays in hand while the registry is asked again.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from schemas import Malformed
from schemas.foreign import Foreign
from schemas.wire import Unknown

PATIENCE = 60.0  # seconds until the worker stops
UNKNOWN_FOR = 30.0  # seconds that a schema which does not exist is not asked for again
FOREVER = float("inf")
KNOWN = 1_000  # schemas that are remembered
WITHIN = 5.0  # seconds for one answer
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two attempts
LARGEST = 1024 * 1024  # bytes of one answer
REFERENCES = 50  # contracts that one may need
DEEPEST = 10  # references of references


class Unreachable(Exception):
    """The registry gave no usable answer for a while; the message says which it gave last, and names the setting."""


class _Answer(NamedTuple):
    """A contract, why it cannot be used, or that there is none."""

    contract: Foreign | None
    wrong: str
    until: float


class Registry:
    """Looks contracts up, and remembers them: an id never changes its meaning."""

    def __init__(
        self, url: str, patience: float = PATIENCE, unknown_for: float = UNKNOWN_FOR, known: int = KNOWN
    ) -> None:
        self._url, self._patience, self._unknown_for, self._known = url.rstrip("/"), patience, unknown_for, known
        self._answers: dict[int, _Answer] = {}  # in the order in which they came
        self._asking: dict[int, asyncio.Future[None]] = {}

    def __call__(self, schema_id: int) -> Foreign | None:
        """What is known of a schema, None when it does not exist.

        Raises Unknown when it has to be looked up first, and Malformed with a sentence when it cannot be used.
        """
        if not self._url or schema_id < 1:
            return None
        answer = self._answers.get(schema_id)
        if answer is None or answer.until < time.monotonic():
            raise Unknown(f"schema {schema_id} was not looked up yet", schema_id=schema_id)
        if answer.wrong:
            raise Malformed(answer.wrong)
        return answer.contract

    async def look_up(self, schema_id: int) -> None:
        """Until it is known whether a schema exists. Raises Unreachable."""
        asking = self._asking.get(schema_id)
        if asking is None:
            asking = self._asking[schema_id] = asyncio.ensure_future(self._look_up(schema_id))
            asking.add_done_callback(lambda _: self._asking.pop(schema_id, None))
        await asyncio.shield(asking)

    async def _look_up(self, schema_id: int) -> None:
        limits, deadline = httpx.Limits(max_connections=2), time.monotonic() + self._patience
        async with httpx.AsyncClient(timeout=WITHIN, limits=limits) as client:
            contract, wrong = await _contract(_Server(client, self._url, deadline), schema_id)
        until = FOREVER if contract is not None else time.monotonic() + self._unknown_for
        self._answers.pop(schema_id, None)
        self._answers[schema_id] = _Answer(contract, wrong, until)
        while len(self._answers) > self._known:
            del self._answers[next(iter(self._answers))]


async def _contract(server: _Server, schema_id: int) -> tuple[Foreign | None, str]:
    """The contract, or the sentence that says why it cannot be used; neither when it does not exist."""
    try:
        body = await server.get(f"/schemas/ids/{schema_id}")
        return (Foreign(schema_id, await _texts(server, schema_id, body)) if body is not None else None), ""
    except Malformed as wrong:
        return None, str(wrong)


async def _texts(server: _Server, schema_id: int, body: dict[str, Any]) -> list[str]:
    """The text of a schema, and before it those of all that it refers to. Raises Malformed."""
    texts: dict[tuple[str, int], str] = {}

    async def refer(body: dict[str, Any], depth: int) -> None:
        for reference in _references(schema_id, body):
            if reference in texts:
                continue
            if depth > DEEPEST or len(texts) >= REFERENCES:
                raise Malformed(f"schema {schema_id} refers to more than {REFERENCES} others, or deeper than {DEEPEST}")
            subject, version = reference
            inner = await server.get(f"/subjects/{quote(subject, safe='')}/versions/{version}")
            if inner is None:
                raise Malformed(f"schema {schema_id} refers to {subject[:200]} version {version}, which does not exist")
            await refer(inner, depth + 1)
            texts[reference] = _text(schema_id, inner)

    text = _text(schema_id, body)
    await refer(body, 1)
    return [*texts.values(), text]


def _text(schema_id: int, body: dict[str, Any]) -> str:
    kind = body.get("schemaType") or "AVRO"
    if kind != "AVRO":
        raise Malformed(f"schema {schema_id} is of type {str(kind)[:20]}, and events are written in Avro")
    return str(body["schema"])


def _references(schema_id: int, body: dict[str, Any]) -> list[tuple[str, int]]:
    try:
        return [(str(one["subject"]), int(one["version"])) for one in body.get("references") or ()]
    except (KeyError, TypeError, ValueError):
        raise Malformed(f"schema {schema_id} has references without subject and version") from None


class _Server:
    """The registry, asked until it gives an answer or the time is over."""

    def __init__(self, client: httpx.AsyncClient, url: str, deadline: float) -> None:
        self._client, self._url, self._deadline = client, url, deadline

    async def get(self, path: str) -> dict[str, Any] | None:
        """The answer, None when there is no such thing. Raises Unreachable, or Malformed when it is too large."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(WITHIN):
                    return await self._once(path)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, _Useless) as wrong:
                if time.monotonic() + pause > self._deadline:
                    raise Unreachable(_sentence(self._url, wrong)) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _once(self, path: str) -> dict[str, Any] | None:
        async with self._client.stream("GET", f"{self._url}{path}") as answer:
            if answer.status_code == 404:
                return None
            if answer.status_code != 200:
                raise _Useless(f"it answers with status {answer.status_code}")
            return _object(await _read(answer))


class _Useless(Exception):
    """An answer that says nothing about the schema."""


async def _read(answer: httpx.Response) -> bytes:
    raw = bytearray()
    async for part in answer.aiter_bytes():
        raw += part
        if len(raw) > LARGEST:
            raise Malformed(f"the schema that it was written with is larger than {LARGEST} bytes")
    return bytes(raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("schema"), str):
        raise _Useless("its answer is no JSON with a schema")
    return body


def _sentence(url: str, wrong: Exception) -> str:
    """Without a user or a password that the address may hold."""
    why = str(wrong) if isinstance(wrong, _Useless) else f"it does not answer ({type(wrong).__name__})"
    return (
        f"the schema registry at {url.rpartition('@')[2].removeprefix('http://').removeprefix('https://')} cannot be used: {why}; "
        "see SOULFRA_REGISTRY__URL"
    )
