"""How rows are written to a changelog: one table's keys and values to bytes and back, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

PLAIN = (None, str, int, float, bool, tuple)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Codec(NamedTuple):
    """Single values out, many values in: a commit encodes what changed, a recovery decodes everything."""

    encode_key: Callable[[Any], bytes]
    encode_value: Callable[[Any], bytes]
    decode_keys: Callable[[Iterable[bytes]], Iterable[Any]]
    decode_values: Callable[[Iterable[bytes]], Iterable[Any]]


def identity(raw: Any) -> Any:
    return raw


def codec(key_kind: str, value_kind: str, dumps_key: Any, dumps_value: Any, loads_key: Any, loads_value: Any) -> Codec:
    """`raw` bytes go as they are, `json` in bulk, everything else through the given functions, one by one."""
    keys = _PAIRS.get(key_kind) or (dumps_key, lambda raws: map(loads_key, raws))
    values = _PAIRS.get(value_kind) or (dumps_value, lambda raws: map(loads_value, raws))
    return Codec(keys[0], values[0], keys[1], values[1])


def frozen(value: Any) -> Any:
    """Lists as tuples: what a table holds cannot be changed in place."""
    return tuple(map(frozen, value)) if type(value) is list else value


def _json_list(raws: Iterable[bytes]) -> Iterable[Any]:
    """One document of all, in one call: these bytes are our own, so none can end the list early."""
    values = _decode(b"[%b]" % b",".join(raws))
    return map(frozen, values) if any(type(value) is list for value in values) else values


_PAIRS: dict[str, tuple[Any, Any]] = {"raw": (identity, identity), "json": (_encode, _json_list)}
