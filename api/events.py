"""Events in, as CloudEvents 1.0 (structured, binary, batch), each with its own verdict; and what became of one."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from api.auth import Caller, Principal
from api.copy import Asked, TheCopy, row_of
from api.log import TheLog
from api.problem import Escaped, Problem, unknown
from config.telemetry import TRACE
from schemas.event import ENVELOPE, Event
from schemas.fields import NANO
from schemas.wire import CLASSES, sentences
from soulfra.moment import implausible
from soulfra.usage import verdict_key
from topics import VERDICT_ROWS, topic_of

router = APIRouter(tags=["events"])

WRITABLE = {name: event for name, event in CLASSES.items() if "callers" in topic_of(event).written_by}
ATTRIBUTES = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"}
TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")  # how RFC 3339 begins; a bare number is no time
BATCH, STRUCTURED = "application/cloudevents-batch+json", "application/cloudevents+json"


class Rejected(Exception):
    """One event is not taken: the status it would have alone, why, and where."""

    def __init__(self, status: int, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.place = status, reason, place


class Verdict(NamedTuple):
    """What was said about one event of a batch, in its order."""

    id: str
    status: str
    position: str = ""
    reason: str = ""
    place: str = ""
    code: int = 202

    def told(self) -> dict[str, object]:
        return {name: value for name, value in self._asdict().items() if value not in ("", None)}


def _body_schema() -> dict[str, Any]:
    """The OpenAPI body, from the event classes."""
    data = {name: {"properties": {field: event.model_json_schema()["properties"][field] for field in event.body_fields()}}
            for name, event in WRITABLE.items()}  # fmt: skip
    one = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"}, "id": {"type": "string"}, "source": {"type": "string"},
            "type": {"enum": sorted(WRITABLE)}, "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "data": {"oneOf": [{"type": "object", "title": name, **schema} for name, schema in data.items()]},
        },
    }  # fmt: skip
    return {"requestBody": {"required": True, "content": {
        STRUCTURED: {"schema": one}, BATCH: {"schema": {"type": "array", "items": one}},
        "application/json": {"schema": {"description": "the data, with ce-* headers (binary mode)"}},
    }}}  # fmt: skip


@router.post("/v1/events", status_code=202, openapi_extra=_body_schema())
async def accept(request: Request, caller: Caller, log: TheLog) -> Response:
    """Store events. `accepted` means stored; each event of a batch gets its own verdict, and they add up."""
    said = await _events(request)
    verdicts = await asyncio.gather(*(_verdict(one, n, caller, log) for n, one in enumerate(said.events)))
    if not said.batch:
        return _alone(verdicts[0])
    accepted = sum(verdict.status == "accepted" for verdict in verdicts)
    counts = {"accepted": accepted, "rejected": len(verdicts) - accepted}
    body = {"verdicts": [verdict.told() for verdict in verdicts], **counts}
    positions = ", ".join(_newest(verdicts))
    return Escaped(body, 202 if accepted else 422, {"Soulfra-Position": positions} if positions else None)


@router.get("/v1/events/{id}")
async def verdict(
    id: str,
    caller: Caller,
    copy: TheCopy,
    asked: Asked,
    response: Response,
    source: str = Query(),
    subject: str | None = None,
) -> dict[str, object]:
    """What became of an event: counted, duplicate or conflict. With `after`, of that very record."""
    key = f"{caller.tenant}/{_subject(subject, caller)}"
    found = await copy.snapshot(VERDICT_ROWS, key, asked, response)
    row = row_of(VERDICT_ROWS, found, verdict_key(source, id))
    if row is None:
        raise unknown("event")
    offset = asked.after.offset if asked.after else None
    return {
        "id": id,
        "source": source,
        "verdict": row.of(offset),
        "duplicates": row.duplicates,
        "conflicts": row.conflicts,
    }


class Said(NamedTuple):
    events: list[Any]
    batch: bool


async def _events(request: Request) -> Said:
    """The events of a request, in whichever of the three modes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _parsed(await _read(request))
    if kind == BATCH or isinstance(body, list):
        limit = request.app.state.settings.edge.batch_limit
        if not isinstance(body, list) or not 0 < len(body) <= limit:
            raise Problem(422, f"a batch is a JSON array of 1 to {limit} events")
        return Said(body, True)
    if "ce-type" in request.headers:
        given = {name[3:]: value for name, value in request.headers.items() if name.startswith("ce-")}
        return Said([{**given, "data": body}], False)
    return Said([body], False)


async def _read(request: Request) -> bytes:
    limit, body = request.app.state.settings.edge.body_limit, bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(413, f"events of one POST may have {limit} bytes together; send several smaller batches")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a number")

    try:
        return json.loads(body, parse_float=Decimal, parse_constant=constant)
    except RecursionError:
        raise Problem(400, "the body is nested too deeply") from None
    except InvalidOperation:
        raise Problem(
            400, "the body holds a number that is too large; write a quantity with at most 18 digits"
        ) from None
    except ValueError as wrong:
        raise Problem(400, f"the body is not JSON: {wrong}") from None


async def _verdict(given: Any, n: int, caller: Principal, log: Any) -> Verdict:
    id = str(given.get("id", "")) if isinstance(given, dict) else ""
    try:
        event = _event(given, caller, datetime.now(UTC))
        position = await log.publish(event, TRACE.get())
    except Rejected as no:
        return Verdict(id, "rejected", "", no.reason, f"events[{n}]{'.' if no.place else ''}{no.place}", no.status)
    except Problem as away:
        return Verdict(id, "rejected", "", away.detail, f"events[{n}]", away.status)
    return Verdict(event.id, "accepted", str(position))


def _event(given: Any, caller: Principal, now: datetime) -> Event:
    """Raises Rejected with the reason and the place."""
    if not isinstance(given, dict):
        raise Rejected(422, "an event is a JSON object (CloudEvents 1.0)")
    kind = given.get("type")
    if not isinstance(kind, str) or kind not in CLASSES:
        raise Rejected(422, f"type {str(kind)[:80]!r} is not known; callers write {', '.join(WRITABLE)}", "type")
    if kind not in WRITABLE:
        writers = ", ".join(topic_of(CLASSES[kind]).written_by)
        raise Rejected(403, f"{kind} is written by: {writers}; callers write {', '.join(WRITABLE)}", "type")
    if extra := set(given) - ATTRIBUTES:
        raise Rejected(
            422, f"{', '.join(sorted(extra))}: no such CloudEvents attribute here; put it into data", min(extra)
        )
    event = _made(WRITABLE[kind], given, caller, now)
    if given.get("specversion") != "1.0":
        raise Rejected(422, "specversion is '1.0' (CloudEvents 1.0)", "specversion")
    if event.source.partition("/")[0] == "soulfra":
        raise Rejected(403, "the source soulfra is this system itself; name your own", "source")
    if wrong := implausible(event, now):
        raise Rejected(422, wrong, "time")
    return event


def _made(kind: type[Event], given: dict[str, Any], caller: Principal, now: datetime) -> Event:
    body = given.get("data")
    if not isinstance(body, dict) or set(body) & set(ENVELOPE):
        raise Rejected(422, "data is an object with the fields of the event", "data")
    plain = {name: _decimal(value) if name == "quantity" else value for name, value in body.items()}
    time = now if given.get("time") in (None, "") else given["time"]
    for place, said in (("time", time), ("data.occurred_at", body.get("occurred_at"))):
        if said not in (now, None) and not (isinstance(said, str) and TIMESTAMP.match(said)):
            raise Rejected(422, f"{place} is a text such as 2026-01-31T12:00:00Z (RFC 3339)", place)
    if str(plain.get("quantity", "")).startswith("-") and "events:write" not in caller.scopes:
        raise Rejected(403, "only a token with the scope events:write may take usage back", "data.quantity")
    envelope = {"id": given.get("id"), "source": given.get("source"), "time": time}
    try:
        return kind.model_validate(
            {**envelope, "tenant": caller.tenant, "user": _subject(given.get("subject"), caller), **plain}
        )
    except ValidationError as wrong:
        place = ".".join(str(part) for part in wrong.errors()[0]["loc"])
        raise Rejected(422, "; ".join(sentences(wrong)), place if place in ENVELOPE else f"data.{place}") from None
    except Problem as no:
        raise Rejected(no.status, no.detail, "subject") from None


def _decimal(quantity: Any) -> Any:
    """A JSON number as the decimal text it stands for, where its size allows."""
    if isinstance(quantity, Decimal) and -NANO <= quantity.adjusted() <= 18:
        return f"{quantity:f}"
    return str(quantity) if isinstance(quantity, Decimal | int) and not isinstance(quantity, bool) else quantity


def _subject(subject: Any, caller: Principal) -> str:
    """The person an event is about; another than the caller only with the scope for it."""
    if subject in (None, "", caller.subject):
        return caller.subject
    if not isinstance(subject, str):
        raise Problem(422, "subject is the id of a person, as text")
    if "events:write" not in caller.scopes:
        raise Problem(403, "only a token with the scope events:write may name another subject than its own")
    return subject


def _alone(verdict: Verdict) -> Response:
    if verdict.status == "accepted":
        return JSONResponse(verdict.told(), 202, {"Soulfra-Position": verdict.position})
    retry = {"Retry-After": "1"} if verdict.code == 503 else None
    raise Problem(
        verdict.code, verdict.reason, headers=retry, place=verdict.place.removeprefix("events[0]").lstrip(".")
    )


def _newest(verdicts: list[Verdict]) -> list[str]:
    """The newest position of each partition that took something."""
    found: dict[str, int] = {}
    for verdict in verdicts:
        if verdict.position:
            place, _, offset = verdict.position.rpartition("@")
            found[place] = max(found.get(place, -1), int(offset))
    return [f"{place}@{offset}" for place, offset in sorted(found.items())]
