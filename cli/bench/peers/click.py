"""The event of the bench as a typed one: an Avro contract, and the frozen class that it is decoded into."""

from __future__ import annotations

from typing import Any

import msgspec
from faust.serializers.codecs import Codec

from schemas.compiled import decoder

FIELDS = {"id": "long", "user": "string", "amount": "int", "kind": "string", "ts": "double", "ok": "boolean"}
CLICK: dict[str, Any] = {
    "type": "record",
    "name": "Click",
    "fields": [{"name": name, "type": kind} for name, kind in FIELDS.items()],
}


class Click(msgspec.Struct, frozen=True):
    id: int
    user: str
    amount: int
    kind: str
    ts: float
    ok: bool


class Clicks(Codec):
    """A Faust codec, as a user of the engine would write one."""

    _loads = staticmethod(decoder(CLICK, Click))  # type: ignore[assignment]
