"""Chats: uploading (streamed, in constant memory), looking, following, reporting, deleting."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from redis.exceptions import RedisError

from api.auth import Caller, Principal
from api.copy import NOW, Asked, Copy, Snapshot, TheCopy, freshness, row_of, seconds
from api.log import Log, TheLog
from api.multipart import file_of
from api.problem import Problem, unknown
from api.progress import ProgressFeed, Step
from config import Settings, metrics
from config.keys import keyed
from config.objects import META, UPLOAD, Missing, Objects, Unavailable, folder_of
from config.telemetry import TRACE
from schemas import ChatDeleted, ChatUploaded
from soulfra import report
from soulfra.analysis import Analysis
from soulfra.chat import Unreadable, formats, recognise_head
from soulfra.chat.recognise import HEAD
from soulfra.upload import ChatRow, Fact, Stage
from topics import CHAT_ROWS

log_ = logging.getLogger("soulfra.edge")
router = APIRouter(prefix="/v1/chats", tags=["chats"])
NAMES = uuid.UUID("5017f7a0-0000-5000-8000-50017f7a0001")  # namespace of ids derived from an Idempotency-Key
LONGEST_NAME = 255
EVENT_ID = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?$")


def objects(request: Request) -> Objects:
    found: Objects = request.app.state.objects
    return found


def progress_feed(request: Request) -> ProgressFeed:
    feed: ProgressFeed = request.app.state.progress
    return feed


TheObjects = Annotated[Objects, Depends(objects)]
TheProgress = Annotated[ProgressFeed, Depends(progress_feed)]
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}


@router.post("", status_code=202, openapi_extra=UPLOAD_BODY)
async def upload(
    request: Request,
    caller: Caller,
    log: TheLog,
    objects: TheObjects,
    copy: TheCopy,
    format: str = Query("", description="the format, if it should not be recognised"),
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Take a chat export: the file as the body with its name in Content-Disposition, or as a form's file."""
    with request.app.state.admission.one(caller.key):
        async with request.app.state.stopping.bounded():
            return await _uploaded(request, caller, log, objects, copy, format, idempotency_key)


async def _uploaded(
    request: Request,
    caller: Principal,
    log: Log,
    objects: Objects,
    copy: Copy,
    format: str,
    idempotency_key: str | None,
) -> Response:
    settings: Settings = request.app.state.settings
    if format and format not in formats():
        raise Problem(422, f"there is no format {format!r}; there are {', '.join(formats())}")
    name, chunks = await _file(request)
    chat_id = _id(caller, idempotency_key)
    folder, taken = folder_of(caller.key, chat_id), _Taken(chunks, settings.edge.upload_limit)
    before = await _before(copy, objects, caller, chat_id) if idempotency_key else None
    try:
        await taken.look(name, bool(format))
        if before:
            await taken.same(before)
        else:
            await objects.put(f"{folder}/{UPLOAD}", taken.stream())
            taken.stored = True
            meta = {"name": name, "sha256": taken.digest.hexdigest(), "size": taken.size}
            await objects.write(f"{folder}/{META}", json.dumps(meta).encode())
        event = ChatUploaded(
            id=chat_id,
            source="soulfra/edge",
            time=datetime.now(UTC),
            tenant=caller.tenant,
            user=caller.subject,
            chat_id=chat_id,
            pointer=f"{folder}/{UPLOAD}",
            fingerprint=keyed(settings, taken.digest.digest()),
            size=taken.size,
            format=format,
        )
        taken.sent = True
        position = await log.publish(event, TRACE.get())
    except BaseException as failed:  # also a caller who went away
        if taken.stored and not (taken.sent and isinstance(failed, asyncio.CancelledError)):
            await request.app.state.leftovers.remove(folder)
        raise
    metrics.UPLOADED.inc(taken.size)
    log_.info("chat %s was stored, %d bytes, at %s", chat_id, taken.size, position)
    links = {name: f"/v1/chats/{chat_id}{path}" for name, path in LINKS.items()}
    body = {"chat_id": chat_id, "position": str(position), "links": links}
    return JSONResponse(body, 202, {"Soulfra-Position": str(position), "Location": links["self"]})


LINKS = {
    "self": "", "done": "?until=agent&wait=30s", "progress": "/progress",
    "report": "/report.html", "data": "/report.json",
}  # fmt: skip


@router.get("")
async def chats(caller: Caller, copy: TheCopy, asked: Asked, response: Response) -> dict[str, object]:
    """The caller's chats, the newest first."""
    found = await copy.snapshot(CHAT_ROWS, caller.key, asked, response)
    rows = [row for sub in found.rows if (row := row_of(CHAT_ROWS, found, sub)) and row.uploaded]
    rows.sort(key=lambda row: row.uploaded.at if row.uploaded else datetime.min.replace(tzinfo=UTC), reverse=True)
    return {"chats": [_brief(row) for row in rows]}


@router.get("/{id}")
async def chat(
    id: str,
    caller: Caller,
    copy: TheCopy,
    objects: TheObjects,
    steps: TheProgress,
    asked: Asked,
    response: Response,
    until: Annotated[Stage | None, Query(description="wait until the chain got there")] = None,
    wait: str = "0ms",
) -> dict[str, object]:
    """A chat's state; when it is done, what was found and what followed from it."""
    row, found = await _followed(copy, caller, id, asked, until, seconds(wait))
    response.headers.update(freshness(found))
    told = _brief(row) | {"positions": row.positions}
    if until:
        told["reached"] = row.reached(until)
    if not row.answered:
        told |= await _progress(steps, found.partition, row)
    if row.analysis:
        told |= {"insights": msgspec.to_builtins((await _result(objects, row)).insights)}
        told |= {"trust": row.trust and row.trust.said, "agents": [row.agent.said] if row.agent else []}
    if row.failed:
        told["failure"] = await _failure(objects, row.failed)
    return told


@router.get("/{id}/progress")
async def progress(
    id: str,
    request: Request,
    caller: Caller,
    copy: TheCopy,
    steps: TheProgress,
    asked: Asked,
    last_event_id: Annotated[str, Header()] = "0",
) -> Response:
    """Progress as server-sent events. The stream ends by itself; reconnect with Last-Event-ID."""
    found = await copy.snapshot(CHAT_ROWS, caller.key, asked)
    if (row := row_of(CHAT_ROWS, found, id)) is None or row.deleted:
        raise unknown("chat")
    last = last_event_id if EVENT_ID.match(last_event_id) else "0"
    followed = steps.follow(found.partition, id, last, request.app.state.settings.edge.sse_seconds)
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(_events(followed), media_type="text/event-stream", headers=headers)


@router.get("/{id}/report.json")
async def report_json(id: str, caller: Caller, copy: TheCopy, objects: TheObjects, asked: Asked) -> Response:
    """The full result."""
    row, fresh = await _done(copy, caller, id, asked)
    told = msgspec.to_builtins(await _result(objects, row)) | {"chat_id": id, "trust": row.trust and row.trust.said}
    return JSONResponse(told, headers=fresh)


@router.get("/{id}/report.html")
async def report_html(id: str, caller: Caller, copy: TheCopy, objects: TheObjects, asked: Asked) -> Response:
    """The report as a page that reads well on a phone."""
    row, fresh = await _done(copy, caller, id, asked)
    page = report.html(await _result(objects, row), row.trust.said if row.trust else None)
    safe = {"Content-Security-Policy": report.POLICY, "Cache-Control": "private, no-store"}
    return HTMLResponse(page, headers=safe | fresh)


@router.delete("/{id}", status_code=204)
async def delete(id: str, caller: Caller, copy: TheCopy, log: TheLog, objects: TheObjects) -> Response:
    """Delete a chat: its file, its result and its rows. Evidence already given stays."""
    found = await copy.snapshot(CHAT_ROWS, caller.key, NOW)
    row = row_of(CHAT_ROWS, found, id)
    if row is None or row.deleted:
        raise unknown("chat")
    event = ChatDeleted(
        id=f"{id}.deleted",
        source="soulfra/edge",
        time=datetime.now(UTC),
        tenant=caller.tenant,
        user=caller.subject,
        chat_id=id,
    )
    position = await log.publish(event)
    with contextlib.suppress(Unavailable):  # the analysis job removes it, when it can
        await objects.remove_all(folder_of(caller.key, id))
    return Response(status_code=204, headers={"Soulfra-Position": str(position)})


class _Taken:
    """An upload on its way through: looked at, hashed, counted, cut off at the limit."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int) -> None:
        self.size, self.digest, self.stored, self.sent = 0, hashlib.sha256(), False, False
        self._chunks, self._limit, self._head = chunks, limit, bytearray()

    async def look(self, name: str, forced: bool) -> None:
        """Reads the head. Raises Problem 422 for what it shows to be no chat; nothing is stored then."""
        async for chunk in self._chunks:
            self._head += chunk
            if len(self._head) >= HEAD:
                break
        try:
            if not self._head or not forced:
                recognise_head(bytes(self._head[:HEAD]), name)
        except Unreadable as unreadable:
            raise Problem(422, unreadable.reason, place=unreadable.place) from None

    async def stream(self) -> AsyncIterator[bytes]:
        """The whole file. Raises Problem 413 beyond the limit."""
        yield self._counted(bytes(self._head))
        async for chunk in self._chunks:
            yield self._counted(chunk)

    async def same(self, sha256: str) -> None:
        """Reads the whole file and stores nothing. Raises Problem 422 when it is another than the one before."""
        async for _ in self.stream():
            pass
        if self.digest.hexdigest() != sha256:
            raise Problem(422, "another file was uploaded under this Idempotency-Key; send this one under a new key")

    def _counted(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        if self.size > self._limit:
            raise Problem(
                413,
                f"the file is larger than {self._limit} bytes; upload a part, or the export without media",
                limit=self._limit,
            )
        self.digest.update(chunk)
        return chunk


async def _file(request: Request) -> tuple[str, AsyncIterator[bytes]]:
    """Name and bytes of the uploaded file."""
    kind = request.headers.get("content-type", "")
    length = int(request.headers.get("content-length") or 0)
    limit = request.app.state.settings.edge.upload_limit
    if length > limit + 65_536:
        raise Problem(
            413, f"the file is larger than {limit} bytes; upload a part, or the export without media", limit=limit
        )
    if kind.lower().startswith("multipart/form-data"):
        return await file_of(request.stream(), kind)
    return _named(request.headers.get("content-disposition", "")), request.stream()


def _named(disposition: str) -> str:
    message = EmailMessage()
    with contextlib.suppress(Exception):
        message["Content-Disposition"] = disposition
        return (message.get_filename() or "")[:LONGEST_NAME]
    return ""


def _id(caller: Principal, idempotency_key: str | None) -> str:
    """Random, or the same for the same caller and key, so that a retry is the same upload."""
    made = uuid.uuid5(NAMES, f"{caller.key}\0/v1/chats\0{idempotency_key}") if idempotency_key else uuid.uuid4()
    return f"c_{made.hex}"


async def _before(copy: Copy, objects: Objects, caller: Principal, id: str) -> str:
    """SHA-256 of the file that came before under the same Idempotency-Key, or nothing.

    Raises Problem 409 when its chat was deleted: a retry must not bring its file back. While the read copy is away
    nobody can tell, and uploads go on.
    """
    with contextlib.suppress(Missing):
        meta = json.loads(await objects.read(f"{folder_of(caller.key, id)}/{META}"))
        return str(meta["sha256"])
    try:
        row = row_of(CHAT_ROWS, await copy.snapshot(CHAT_ROWS, caller.key, NOW), id)
    except Problem:
        return ""
    if row and row.deleted:
        raise Problem(409, "the chat of this Idempotency-Key was deleted; send the file under a new key")
    return ""


async def _followed(
    copy: Copy, caller: Principal, id: str, asked: Any, until: Stage | None, wait: float
) -> tuple[ChatRow, Snapshot]:
    """The row, when the chain got as far as asked or the time is over. Raises Problem 404."""
    deadline, over = time.monotonic() + wait, until is None
    while True:
        found = await copy.snapshot(CHAT_ROWS, caller.key, asked)
        row = row_of(CHAT_ROWS, found, id)
        if row and not row.deleted and (over or until is None or row.reached(until)):
            return row, found
        if over or (row and row.deleted):
            raise unknown("chat")
        over = await copy.rest() or time.monotonic() >= deadline


async def _done(copy: Copy, caller: Principal, id: str, asked: Any) -> tuple[ChatRow, dict[str, str]]:
    """The row of a chat that has a report, and how fresh it is. Raises Problem 404, or 409 before there is one."""
    found = await copy.snapshot(CHAT_ROWS, caller.key, asked)
    row = row_of(CHAT_ROWS, found, id)
    if row is None or row.deleted:
        raise unknown("chat")
    if row.analysis is None:
        raise Problem(
            409, f"there is no report: the chat is {row.status}; see GET /v1/chats/{id}?until=analysis&wait=30s"
        )
    return row, freshness(found)


async def _result(objects: Objects, row: ChatRow) -> Analysis:
    pointer = str(row.analysis.said["pointer"]) if row.analysis else ""
    try:
        return msgspec.json.decode(await objects.read(pointer), type=Analysis)
    except Missing:
        raise unknown("chat") from None


async def _failure(objects: Objects, failure: Fact) -> dict[str, str]:
    try:
        return msgspec.json.decode(await objects.read(str(failure.said["pointer"])), type=dict[str, str])
    except Missing:
        reason = str(failure.said["reason"])
        return {"reason": reason, "sentence": "the uploaded file is gone; upload it again", "place": ""}


def _brief(row: ChatRow) -> dict[str, Any]:
    told: dict[str, Any] = {"chat_id": row.chat_id, "status": row.status, "attempts": row.attempts}
    if row.uploaded:
        told |= {"uploaded_at": row.uploaded.at, "size": row.uploaded.said["size"]}
    if row.analysis:
        told |= {
            name: row.analysis.said[name] for name in ("format", "messages", "visible", "conversations", "quality")
        }
    return told


async def _progress(steps: ProgressFeed, partition: int, row: ChatRow) -> dict[str, object]:
    """What the newest step of an analysis that is under way says about the state of the chat."""
    with contextlib.suppress(RedisError, OSError):
        if step := await steps.newest(partition, row.chat_id):
            if step["stage"] == "waiting":
                return {"waiting": {"reason": step["reason"], "since": step["since"]}}
            return {"status": "analysing"} if row.status == "received" else {}
    return {}


async def _events(steps: AsyncIterator[tuple[str, Step]]) -> AsyncIterator[str]:
    async for at, step in steps:
        yield f"id: {at}\nevent: progress\ndata: {json.dumps(step)}\n\n"
        if step["stage"] in ("done", "failed"):
            return
    yield ": ask again with Last-Event-ID\n\n"
