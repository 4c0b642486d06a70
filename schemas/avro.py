"""Avro contracts, derived from the event classes (Apache Avro 1.12 specification, logical type timestamp-micros)."""

from __future__ import annotations

import types
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemas.event import Event
from schemas.fields import Privacy

NAMESPACE = "soulfra"
PRIMITIVES: dict[Any, Any] = {
    str: "string",
    int: "long",
    float: "double",
    bool: "boolean",
    AwareDatetime: {"type": "long", "logicalType": "timestamp-micros"},
}

Schema = dict[str, Any]


class Undescribed(TypeError):
    """A field cannot stand in a contract: its type has no Avro form, or it has no privacy class."""


def contract(event: type[Event]) -> Schema:
    """The Avro record of an event's body. Raises Undescribed naming the field."""
    return _record(event, event.body_fields(), seen=set())


def privacy_of(field: FieldInfo) -> Privacy | None:
    """The privacy class of a field, wherever in its annotation it stands."""
    marks = [mark for mark in field.metadata if isinstance(mark, Privacy)] or _marks(field.annotation)
    return marks[0] if marks else None


def _marks(annotation: Any) -> list[Privacy]:
    own = [mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Privacy)]
    return own + [mark for inner in get_args(annotation) for mark in _marks(inner)]


def _record(model: type[BaseModel], names: list[str], seen: set[str]) -> Schema:
    seen.add(model.__name__)
    return {
        "type": "record",
        "name": model.__name__,
        "namespace": NAMESPACE,
        "doc": (model.__doc__ or "").strip(),
        "fields": [_field(model, name, seen) for name in names],
    }


def _field(model: type[BaseModel], name: str, seen: set[str]) -> Schema:
    field = model.model_fields[name]
    place = f"{model.__name__}.{name}"
    privacy = privacy_of(field)
    described: Schema = {"name": name, "type": _type(field.annotation, place, seen)}
    if privacy is None and not _holds_parts(field.annotation):
        raise Undescribed(f"{place} has no privacy class; give it one of {[p.name for p in Privacy]}")
    if privacy is not None:
        described["privacy"] = privacy.value
    if field.description:
        described["doc"] = field.description
    if field.default is not PydanticUndefined:
        described["default"] = field.default.name if isinstance(field.default, Enum) else field.default
    return described


def _holds_parts(annotation: Any) -> bool:
    """A list of parts says nothing by itself: each part's own fields have their class."""
    inner = get_args(annotation)
    return (
        any(_holds_parts(i) for i in inner)
        if inner
        else isinstance(annotation, type) and issubclass(annotation, BaseModel)
    )


def _type(annotation: Any, place: str, seen: set[str]) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0], place, seen)
    if origin in (Union, types.UnionType) and type(None) in args and len(args) == 2:
        return ["null", _type(next(a for a in args if a is not type(None)), place, seen)]
    if origin is list:
        return {"type": "array", "items": _type(args[0], place, seen)}
    if origin is dict and args[0] is str:
        return {"type": "map", "values": _type(args[1], place, seen)}
    if annotation in PRIMITIVES:
        return PRIMITIVES[annotation]
    return _named(annotation, place, seen)


def _named(annotation: Any, place: str, seen: set[str]) -> Any:
    if isinstance(annotation, type) and annotation.__name__ in seen:
        return f"{NAMESPACE}.{annotation.__name__}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        seen.add(annotation.__name__)
        symbols = [member.name for member in annotation]
        return {
            "type": "enum",
            "name": annotation.__name__,
            "namespace": NAMESPACE,
            "symbols": symbols,
            "default": "UNKNOWN",
        }
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _record(annotation, list(annotation.model_fields), seen)
    raise Undescribed(f"{place}: {annotation!r} has no Avro form here")
