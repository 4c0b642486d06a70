"""A person's account, usage and suggested agents."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Caller, own
from api.copy import Asked, TheCopy, row_of
from api.log import TheLog
from api.problem import Problem, unknown
from config.keys import new_user, token
from schemas import UserRegistered
from schemas.user import Standing
from soulfra import persona, suggestion, usage
from topics import AGENT_ROWS, USAGE_ROWS, USER_ROWS

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
    snapshot = await copy.snapshot(USAGE_ROWS, own(id, caller), asked, response)
    months: dict[str, list[usage.UsageRow]] = {}
    for sub in sorted(snapshot.rows):
        name, row = usage.meter_of(sub), row_of(USAGE_ROWS, snapshot, sub)
        if row and meter in (None, name):
            months.setdefault(name, []).append(row)
    return {"meters": [_used(name, rows, since, until, window) for name, rows in months.items()]}


@router.get("/agents")
async def agents(caller: Caller, copy: TheCopy, asked: Asked, response: Response) -> dict[str, object]:
    """The agents suggested to the caller, with what decided for them."""
    snapshot = await copy.snapshot(AGENT_ROWS, caller.key, asked, response)
    rows = {chat_id: row for chat_id in sorted(snapshot.rows) if (row := row_of(AGENT_ROWS, snapshot, chat_id))}
    return {"agents": [_suggested(chat_id, row) for chat_id, row in rows.items() if row.is_complete]}


def _used(
    meter: str, rows: list[usage.UsageRow], since: date | None, until: date | None, window: str
) -> dict[str, object]:
    total = usage.total(rows, since, until)
    used: dict[str, object] = {"meter": meter, "quantity": usage.decimal(total.nano), "events": total.events}
    if window == "day":
        days = usage.days(rows, since, until)
        used["days"] = [
            {"day": on, "quantity": usage.decimal(day.nano), "events": day.events} for on, day in days.items()
        ]
    return used


def _suggested(chat_id: str, row: suggestion.SuggestionRow) -> dict[str, object]:
    fit = row.fit
    assert fit is not None, "a complete row has one"  # noqa: S101
    who = persona.named(fit.persona)
    because = [{"feature": name, "value": value, "profile": profile} for name, value, profile in fit.because]
    return {
        "agent_id": f"a_{chat_id}",
        "chat_id": chat_id,
        "persona": who.id,
        "name": who.name,
        "summary": who.summary,
        "prompt": who.prompt,
        "closeness": fit.closeness,
        "because": because,
        "tier": row.tier,
    }
