"""Extension attributes of CloudEvents: what a sender adds to an event for tools on its way. They are no part of the event.

CloudEvents 1.0.2, sections Attribute Naming Convention and Type System; extension distributed tracing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.event import SYSTEM
from schemas.fields import plain

CORE = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"}
MOST = 16  # extensions of one event
MOST_BYTES = 4_096  # of all names and values together
NAME = re.compile(r"[a-z0-9]{1,64}")  # CloudEvents recommends 20 characters at most; senders use more
INTEGER = range(-(2**31), 2**31)
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Extensions = Mapping[str, str]
NONE: Extensions = {}


class NoExtension(ValueError):
    """An attribute cannot be kept; the message is a sentence for its sender, `name` the attribute."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


def extensions_of(attributes: Mapping[str, Any]) -> Extensions:
    """The extensions among the attributes of an event, as text. Raises NoExtension."""
    kept = {name: _text(name, value) for name, value in attributes.items() if name not in CORE and value is not None}
    size = sum(len(name) + len(value.encode()) for name, value in kept.items())
    if len(kept) > MOST or size > MOST_BYTES:
        limit = f"at most {MOST} extension attributes of {MOST_BYTES} bytes together"
        raise NoExtension(
            min(kept), f"an event has {limit}, this one has {len(kept)} of {size}; put the rest into data"
        )
    return kept


def _text(name: str, value: Any) -> str:
    """The canonical text of a value: CloudEvents strings, integers and booleans."""
    _check_name(name)
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value in INTEGER:
            return str(value)
        case str():
            return _plain(name, value)
    raise NoExtension(
        name, f"{name} is a text, an integer of 32 bits or a boolean (CloudEvents); put the rest into data"
    )


def _check_name(name: str) -> None:
    if name == "data_base64":
        raise NoExtension(name, "data_base64 is for binary data; send the fields of the event as a JSON object in data")
    if not NAME.fullmatch(name):
        rule = "at most 64 lower-case letters a to z and digits (CloudEvents); rename it, or put it into data"
        raise NoExtension(name, f"{name[:80]!r} is no name of an extension attribute: {rule}")
    if name == "tenant" or name.startswith(SYSTEM):
        raise NoExtension(name, f"{name} is set by Soulfra alone; leave it out, or choose another name")


def _plain(name: str, value: str) -> str:
    try:
        return plain(value)
    except ValueError as wrong:
        raise NoExtension(name, f"{name} {wrong}") from None


def is_traceparent(text: str) -> bool:
    """Whether a text is a W3C traceparent (Trace Context 1) that a trace can be continued with."""
    return TRACEPARENT.fullmatch(text) is not None


def trace_of(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """The traceparent that a record or event carries, or nothing: its own header goes before the extension."""
    carried = dict(headers)
    for name in ("traceparent", "ce_traceparent"):
        if is_traceparent(text := (carried.get(name) or b"").decode(errors="replace")):
            return text
    return ""
