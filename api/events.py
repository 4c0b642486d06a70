"""Events in, as CloudEvents 1.0 (structured, binary, batch), each with its own verdict; and what became of one."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from api.auth import Caller, Principal
from api.cloudevents import BATCH, STRUCTURED, URI_REFERENCE, not_json, received
from api.copy import Asked, TheCopy, row_of
from api.log import TheLog
from api.problem import RETRY, Escaped, Problem, unknown
from config.telemetry import TRACE
from schemas import UsageRecorded
from schemas.event import ENVELOPE, SYSTEM, Event
from schemas.extensions import MOST, MOST_BYTES, Extensions, NoExtension, extensions_of, is_traceparent
from schemas.fields import NANO
from schemas.wire import CLASSES, sentences
from soulfra.moment import implausible
from soulfra.usage import reserved, verdict_key
from topics import VERDICT_ROWS, topic_of

router = APIRouter(tags=["events"])

WRITABLE = {name: event for name, event in CLASSES.items() if "callers" in topic_of(event).written_by}
TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")  # how RFC 3339 begins; a bare number is no time


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
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1, "description": "at most 256 bytes (UTF-8), no control characters"},
            "source": {"type": "string", "format": "uri-reference", "minLength": 1, "maxLength": 256},
            "type": {"enum": sorted(WRITABLE)}, "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string", "description": "application/json, or none"},
            "dataschema": {"type": "string", "format": "uri"},
            "data": {"oneOf": [{"type": "object", "title": name, **schema} for name, schema in data.items()]},
        },
        "additionalProperties": {
            "type": ["string", "integer", "boolean"],
            "description": f"extension attributes: at most {MOST} of {MOST_BYTES} bytes together",
        },
    }  # fmt: skip
    return {"requestBody": {"required": True, "content": {
        STRUCTURED: {"schema": one}, BATCH: {"schema": {"type": "array", "items": one}},
        "application/json": {"schema": {"description": "the data, with ce-* headers, percent-encoded (binary mode)"}},
    }}}  # fmt: skip


@router.post("/v1/events", status_code=202, openapi_extra=_body_schema())
async def accept(request: Request, caller: Caller, log: TheLog) -> Response:
    """Store events. `accepted` means stored; each event of a batch gets its own verdict, and they add up."""
    sent = await received(request)
    verdicts = await asyncio.gather(*(_verdict(event, n, caller, log) for n, event in enumerate(sent.events)))
    if not sent.batch:
        return _alone(verdicts[0])
    accepted = sum(verdict.status == "accepted" for verdict in verdicts)
    counts = {"accepted": accepted, "rejected": len(verdicts) - accepted}
    body = {"verdicts": [verdict.told() for verdict in verdicts], **counts}
    if accepted:
        return Escaped(body, 202, {"Soulfra-Position": ", ".join(_newest(verdicts))})
    if any(verdict.code == 503 for verdict in verdicts):
        return Escaped(body, 503, RETRY)
    return Escaped(body, 422)


@router.get("/v1/events")
async def verdict(
    id: Annotated[str, Query(description="id of the event, whatever characters it has")],
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


@router.get("/v1/events/{id:path}")
async def verdict_of(
    id: str,
    caller: Caller,
    copy: TheCopy,
    asked: Asked,
    response: Response,
    source: str = Query(),
    subject: str | None = None,
) -> dict[str, object]:
    """The same, for an id that fits into a path; percent-encode what is special there, a slash may stay."""
    return await verdict(id, caller, copy, asked, response, source, subject)


async def _verdict(given: Any, n: int, caller: Principal, log: Any) -> Verdict:
    id = str(given.get("id", "")) if isinstance(given, dict) else ""
    try:
        event, extensions = _event(given, caller, datetime.now(UTC))
        trace = extensions.get("traceparent", "")
        position = await log.publish(event, trace if is_traceparent(trace) else TRACE.get(), extensions)
    except Rejected as no:
        return Verdict(id, "rejected", "", no.reason, f"events[{n}]{'.' if no.place else ''}{no.place}", no.status)
    except Problem as away:
        return Verdict(id, "rejected", "", away.detail, f"events[{n}]", away.status)
    return Verdict(event.id, "accepted", str(position))


def _event(given: Any, caller: Principal, now: datetime) -> tuple[Event, Extensions]:
    """The event that was sent, and its extensions. Raises Rejected with the reason and the place."""
    if not isinstance(given, dict):
        raise Rejected(422, "an event is a JSON object (CloudEvents 1.0)")
    kind = given.get("type")
    if not isinstance(kind, str) or kind not in CLASSES:
        raise Rejected(422, f"type {str(kind)[:80]!r} is not known; callers write {', '.join(WRITABLE)}", "type")
    if kind not in WRITABLE:
        writers = ", ".join(topic_of(CLASSES[kind]).written_by)
        raise Rejected(403, f"{kind} is written by: {writers}; callers write {', '.join(WRITABLE)}", "type")
    extensions = _extensions(given)
    if wrong := not_json(given):
        raise Rejected(415, wrong, "datacontenttype")
    _check_source(given.get("source"))
    event = _made(WRITABLE[kind], given, caller, now)
    if given.get("specversion") != "1.0":
        raise Rejected(422, "specversion is '1.0' (CloudEvents 1.0)", "specversion")
    if wrong := implausible(event, now):
        raise Rejected(422, wrong, "time")
    if isinstance(event, UsageRecorded) and (wrong := reserved(event)):
        raise Rejected(403, wrong, "data.meter")
    return event, extensions


def _extensions(given: dict[str, Any]) -> Extensions:
    try:
        return extensions_of(given)
    except NoExtension as wrong:
        raise Rejected(422, str(wrong), wrong.name) from None


def _check_source(source: Any) -> None:
    if not isinstance(source, str) or not source:
        return  # the event class says what is missing
    if source.partition("/")[0] == SYSTEM:
        raise Rejected(403, "the source soulfra is this system itself; name your own", "source")
    if not URI_REFERENCE.fullmatch(source):
        hint = "percent-encode what is none (in a ce- header, write its percent signs as %25)"
        raise Rejected(
            422, f"source is a URI reference (RFC 3986), such as /gateway or https://example.org; {hint}", "source"
        )


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
    retry = RETRY if verdict.code == 503 else None
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
