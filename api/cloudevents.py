"""CloudEvents 1.0 over HTTP: the attributes and data of a request, in whichever of the three modes.

The media type tells the mode (HTTP binding, 3): structured, batch, or binary where there are `ce-` headers. Plain JSON
without them is taken for what it is, an event or an array of events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, NoReturn

from fastapi import Request

from api.problem import Problem

BATCH, STRUCTURED = "application/cloudevents-batch+json", "application/cloudevents+json"
FORMATS = "application/cloudevents"  # how the media types of all modes but binary begin
JSON = re.compile(r"[a-z0-9.-]+/([a-z0-9.-]+\+)?json")
PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')

_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_HOST = r"(?:\[[0-9A-Fa-fvV:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)"
URI_REFERENCE = re.compile(  # RFC 3986, appendix A
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))(?://(?:(?:(?!@){_PCHAR})*@)?{_HOST}(?::[0-9]*)?(?:/(?:{_PCHAR}|/)*)?"
    rf"|(?!//)(?:{_PCHAR}|/)*)(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
)


class Received(NamedTuple):
    """The events of a request as attributes and data, not yet checked, and whether they came as a batch."""

    events: list[Any]
    batch: bool


async def received(request: Request) -> Received:
    """The events of a request. Raises Problem where they cannot be read."""
    edge = request.app.state.settings.edge
    kind, headers = media_type(request.headers.get("content-type", "")), ce_headers(request)
    if kind.startswith(FORMATS) and kind not in (BATCH, STRUCTURED):
        raise Problem(415, f"{kind[:80]} is not read here; send {STRUCTURED} or {BATCH}")
    if headers and not kind.startswith(FORMATS):
        return Received([await _binary(request, headers, edge.body_limit)], False)
    body = parsed(await _read(request, edge.body_limit))
    if kind == BATCH or (isinstance(body, list) and kind != STRUCTURED):
        return Received(_batch(body, edge.batch_limit), True)
    return Received([body], False)


def media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def ce_headers(request: Request) -> list[tuple[str, bytes]]:
    """The attributes in headers, still encoded; names are the same in any case."""
    pairs = ((name.decode("latin-1").lower(), value) for name, value in request.scope["headers"])
    return [(name.removeprefix("ce-"), value) for name, value in pairs if name.startswith("ce-")]


async def _binary(request: Request, headers: list[tuple[str, bytes]], limit: int) -> dict[str, Any]:
    """One event whose attributes are headers and whose data is the body."""
    event: dict[str, Any] = {}
    for name, value in headers:
        if name in event or name == "data":
            why = "is there twice" if name in event else "is no header: the data is the body"
            raise Problem(400, f"ce-{name[:80]} {why}", place=name)
        event[name] = decoded(name, value)
    event.setdefault("datacontenttype", request.headers.get("content-type"))
    if wrong := not_json(event):
        raise Problem(415, wrong, place="datacontenttype")
    return {**event, "data": parsed(await _read(request, limit))}


def decoded(name: str, header: bytes) -> str:
    """An attribute's text: quotes taken off, then percent-decoded once (HTTP binding, 3.1.3.2). Raises Problem.

    A percent sign without two digits behind it is itself.
    """
    if quoted := QUOTED.fullmatch(header):
        header = re.sub(rb"\\(.)", rb"\1", quoted[1])
    try:
        return PERCENT.sub(lambda digits: bytes.fromhex(digits[1].decode()), header).decode()
    except UnicodeDecodeError:
        raise Problem(
            400, f"ce-{name[:80]} is not UTF-8 when percent-decoded; encode it anew, a percent sign as %25", place=name
        ) from None


def not_json(event: Mapping[str, Any]) -> str:
    """Why the data of an event cannot be read by its media type, or nothing."""
    kind = event.get("datacontenttype")
    if kind in (None, "") or (isinstance(kind, str) and JSON.fullmatch(media_type(kind))):
        return ""
    return f"data is JSON here, not {str(kind)[:80]!r}; send the fields of the event as application/json"


def _batch(body: Any, limit: int) -> list[Any]:
    if not isinstance(body, list) or not 0 < len(body) <= limit:
        raise Problem(422, f"a batch is a JSON array of 1 to {limit} events")
    return body


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(413, f"events of one POST may have {limit} bytes together; send several smaller batches")
    return bytes(body)


def parsed(body: bytes) -> Any:
    """The JSON of a body, with exact numbers. Raises Problem 400."""

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
