"""Avro schemas as Python values: what kind a type is, what it is called, what a name stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMED = ("record", "enum", "fixed")


def kind(type_: Any) -> str:
    return "union" if isinstance(type_, list) else str(type_["type"] if isinstance(type_, Mapping) else type_)


def logical_type(type_: Any) -> str:
    return str(type_.get("logicalType", "")) if isinstance(type_, Mapping) else ""


def full_name(type_: Any) -> str:
    """With the namespace, of a named type."""
    name, space = str(type_["name"]), type_.get("namespace", "")
    return name if "." in name or not space else f"{space}.{name}"


def short_name(type_: Any) -> str:
    """Without the namespace; the kind of a type that has no name."""
    return full_name(type_).rpartition(".")[2] if kind(type_) in NAMED else kind(type_)


def stands_for(type_: Any, names: Mapping[str, Any]) -> Any:
    """The type itself, where a schema only names it."""
    return names.get(type_, type_) if isinstance(type_, str) else type_


def definitions(type_: Any, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every named type written out anywhere in a schema, by its full name."""
    names = {} if names is None else names
    if isinstance(type_, list):
        for branch in type_:
            definitions(branch, names)
    elif isinstance(type_, Mapping):
        if kind(type_) in NAMED:
            names[full_name(type_)] = type_
        for part in (type_.get("items"), type_.get("values"), *(field["type"] for field in type_.get("fields", ()))):
            definitions(part, names)
    return names
