"""Another analysis of a stored chat: when it is a new attempt, and the event that asks for it."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from api.auth import Caller, Principal
from api.chats import LINKS, TheObjects
from api.copy import NOW, TheCopy, row_of
from api.log import TheLog
from api.problem import Problem, unknown
from config.keys import keyed
from config.telemetry import TRACE
from schemas import AnalysisRequested
from soulfra.upload import ChatRow
from topics import CHAT_ROWS
from topics.copy import progress_key
from topics.place import partition_of

log_ = logging.getLogger("soulfra.edge")
router = APIRouter(prefix="/v1/chats", tags=["chats"])

MOST = 20  # attempts at one chat
LOST = timedelta(hours=1)  # after which an attempt that did not end may be followed by another


@router.post("/{id}/analyse", status_code=202)
async def analyse(
    id: str,
    request: Request,
    caller: Caller,
    copy: TheCopy,
    log: TheLog,
    objects: TheObjects,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Analyse a stored chat once more. While an analysis is under way, and for the same key, it is that one."""
    row = row_of(CHAT_ROWS, await copy.snapshot(CHAT_ROWS, caller.key, NOW), id)
    if row is None or row.deleted or row.uploaded is None:
        raise unknown("chat")
    key = keyed(request.app.state.settings, idempotency_key.encode()) if idempotency_key else ""
    now = datetime.now(UTC)
    if same(row, key, now):
        return _answer(id, row.attempts, str(row.newest.position if row.newest else ""))
    check(row)
    event = requested(row, caller, key, now)
    if not await objects.exists(event.pointer):
        raise Problem(409, "the uploaded file is gone; upload it again")
    with contextlib.suppress(RedisError, OSError):
        partition = partition_of(caller.key, copy.partitions)
        async with copy.turn() as redis:
            await redis.delete(progress_key(partition, id))  # of the attempt before
    position = await log.publish(event, TRACE.get())
    log_.info("chat %s is to be analysed again, attempt %d, at %s", id, event.attempt, position)
    return _answer(id, event.attempt, str(position))


def same(row: ChatRow, key: str, now: datetime) -> bool:
    """Whether the newest attempt is the one that is asked for: it is under way, or it had the same Idempotency-Key."""
    if key and row.requested and row.requested.said.get("request") == key:
        return True
    return not row.answered and row.newest is not None and now - row.newest.at < LOST


def check(row: ChatRow) -> None:
    """Raises Problem 409 after too many attempts."""
    if row.attempts >= MOST:
        raise Problem(409, f"this chat was analysed {MOST} times; upload it again, or a part of it")


def requested(row: ChatRow, caller: Principal, key: str, now: datetime) -> AnalysisRequested:
    """The next attempt. Its id follows from the chat and its number, so two requests at once are one."""
    attempt, upload = row.attempts + 1, row.uploaded.said if row.uploaded else {}
    return AnalysisRequested(
        id=f"{row.chat_id}.analysis-{attempt}",
        source="soulfra/edge",
        time=now,
        tenant=caller.tenant,
        user=caller.subject,
        chat_id=row.chat_id,
        attempt=attempt,
        pointer=str(upload["pointer"]),
        size=int(str(upload["size"])),
        format=str(upload.get("format", "")),
        request=key,
    )


def _answer(id: str, attempt: int, position: str) -> Response:
    links = {name: f"/v1/chats/{id}{path}" for name, path in LINKS.items()}
    body = {"chat_id": id, "attempt": attempt, "position": position, "links": links}
    return JSONResponse(body, 202, {"Soulfra-Position": position, "Location": links["self"]})
