"""A person's account, trust, usage and suggested agents."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Caller, own
from api.copy import Asked, TheCopy, row_of
from api.log import TheLog
from api.problem import Problem, unknown
from config.keys import new_user, token
from schemas import UserRegistered
from schemas.user import Standing
from soulfra import persona, suggestion, trust, usage
from topics import AGENT_ROWS, TRUST_ROWS, USAGE_ROWS, USER_ROWS

router = APIRouter(prefix="/v1", tags=["people"])
BODY_LIMIT = 65_536  # bytes
USERS = uuid.UUID("5017f7a0-0000-5000-8000-50017f7a0002")  # namespace of ids derived from an Idempotency-Key


class NewUser(BaseModel):
    """A person to be registered. Nothing that names them: the id is random, or the caller's own."""

    model_config = ConfigDict(extra="forbid")
    me: bool = Field(False, description="register the caller; anyone may do that for themselves")
    standing: Literal["ANONYMOUS", "MAIL", "IDENTITY"] = "ANONYMOUS"


@router.post("/users", status_code=202, max_body_size=BODY_LIMIT)
async def register(
    new: NewUser,
    caller: Caller,
    log: TheLog,
    response: Response,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> dict[str, str]:
    """Register a person. The built-in issuer gives a token for another one; `me` has a token already."""
    if "users:write" not in caller.scopes and not (new.me and new.standing == "ANONYMOUS"):
        raise Problem(403, "registering another person, or a standing, needs a token with the scope users:write")
    settings = log.settings
    made = f"u_{uuid.uuid5(USERS, f'{caller.key}:{idempotency_key}').hex[:24]}" if idempotency_key else new_user()
    id = caller.subject if new.me else made
    event = UserRegistered(
        id=id,
        source="soulfra/edge",
        time=datetime.now(UTC),
        tenant=caller.tenant,
        user=id,
        standing=Standing[new.standing],
    )
    position = await log.publish(event)
    response.headers["Soulfra-Position"] = str(position)
    told = {"user_id": id, "position": str(position)}
    return told if settings.auth.jwks or new.me else told | {"token": token(settings, id, tenant=caller.tenant)}


@router.get("/users/{id}")
async def user(id: str, caller: Caller, copy: TheCopy, asked: Asked, response: Response) -> dict[str, object]:
    """When a person arrived, and how well they are known."""
    row = row_of(USER_ROWS, await copy.snapshot(USER_ROWS, own(id, caller), asked, response))
    if row is None:
        raise unknown("person")
    return {"user_id": caller.subject, "since": row.since, "standing": row.standing.value}


@router.get("/users/{id}/trust")
async def trust_of(id: str, caller: Caller, copy: TheCopy, asked: Asked, response: Response) -> dict[str, object]:
    """A person's trust, the last move with its reasons, and what is missing to the next tier."""
    row = await _trust(id, caller, copy, asked, response)
    moves = trust.history(row)
    as_of = moves[0].at if moves else row.since or trust.EPOCH
    now = trust.score(row, as_of)
    return {
        "score": round(now.share / 1000),
        "points": now.share / 1000,
        "tier": trust.tier(row).value,
        "stage": trust.stage(now),
        "evidence": now.evidence / 1000,
        "uncertainty": now.uncertainty / 1000,
        "as_of": as_of,
        "missing": trust.missing(row, as_of),
        "last_move": _told(moves[0]) if moves else None,
        "model": trust.MODEL,
    }


@router.get("/users/{id}/trust/history")
async def history(id: str, caller: Caller, copy: TheCopy, asked: Asked, response: Response) -> dict[str, object]:
    """The newest 200 moves; the reasons of each add up to it."""
    return {"moves": [_told(move) for move in trust.history(await _trust(id, caller, copy, asked, response))]}


@router.get("/users/{id}/usage")
async def usage_of(
    id: str,
    caller: Caller,
    copy: TheCopy,
    asked: Asked,
    response: Response,
    meter: str | None = None,
    since: Annotated[date | None, Query(alias="from", description="first day, UTC")] = None,
    until: Annotated[date | None, Query(alias="to", description="day after the last, UTC")] = None,
    window: Literal["all", "day"] = "all",
) -> dict[str, object]:
    """What a person used, by meter, in exact decimals."""
    found = await copy.snapshot(USAGE_ROWS, own(id, caller), asked, response)
    rows = {
        name: row for name in sorted(found.rows) if meter in (None, name) and (row := row_of(USAGE_ROWS, found, name))
    }
    return {"meters": [_used(name, row, since, until, window) for name, row in rows.items()]}


@router.get("/agents")
async def agents(caller: Caller, copy: TheCopy, asked: Asked, response: Response) -> dict[str, object]:
    """The agents suggested to the caller, with what decided for them."""
    row = row_of(AGENT_ROWS, await copy.snapshot(AGENT_ROWS, caller.key, asked, response))
    chats = row.chats if row else {}
    return {
        "agents": [_suggested(chat_id, found) for chat_id in chats if row and (found := suggestion.ready(row, chat_id))]
    }


async def _trust(id: str, caller: Any, copy: Any, asked: Any, response: Response) -> trust.TrustRow:
    row = row_of(TRUST_ROWS, await copy.snapshot(TRUST_ROWS, own(id, caller), asked, response))
    if row is None:
        raise unknown("person with any trust; it begins with the registration or the first chat")
    return row


def _told(move: trust.Move) -> dict[str, object]:
    return {
        "at": move.at,
        "chat_id": move.chat_id or None,
        "old": move.old / 1000,
        "new": move.new / 1000,
        "tier": move.tier.value,
        "reasons": [{"code": reason.code, "points": reason.points / 1000} for reason in move.reasons],
    }


def _used(meter: str, row: usage.UsageRow, since: date | None, until: date | None, window: str) -> dict[str, object]:
    whole = usage.total(row, since, until)
    told: dict[str, object] = {"meter": meter, "quantity": usage.decimal(whole.nano), "events": whole.events}
    if window == "day":
        days = usage.days(row, since, until)
        told["days"] = [
            {"day": on, "quantity": usage.decimal(day.nano), "events": day.events} for on, day in days.items()
        ]
    return told


def _suggested(chat_id: str, found: suggestion.Suggestion) -> dict[str, object]:
    if found.fit is None:
        raise Problem(404, "no personality is known for this chat")
    who = persona.named(found.fit.persona)
    because = [{"feature": name, "value": value, "profile": profile} for name, value, profile in found.fit.because]
    return {
        "agent_id": f"a_{chat_id}",
        "chat_id": chat_id,
        "persona": who.id,
        "name": who.name,
        "summary": who.summary,
        "prompt": who.prompt,
        "closeness": found.fit.closeness,
        "because": because,
        "tier": found.tier,
    }
