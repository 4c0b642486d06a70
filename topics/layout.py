"""The frozen layout of every table's rows: what a changelog holds that an older release wrote.

A table's name carries its version, and a version's rows never change: rows of another layout are another version, which is
folded anew beside the old one. Only this makes an old changelog readable, or clearly not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from schemas.frozen import Broken
from topics import Table

FOLDER = Path(__file__).parent / "layouts"
WORDS = {"title", "description"}  # of a JSON schema, that say nothing about the bytes


def layout(table: Table[Any]) -> Any:
    """JSON schema of a table's rows, without what is written for people."""
    return json.loads(json.dumps(_bare(msgspec.json.schema(table.row, schema_hook=_named))))


def mistakes(tables: Iterable[Table[Any]], folder: Path = FOLDER) -> list[str]:
    """Every table whose rows are not as they were frozen, a sentence each."""
    return [wrong for table in tables if (wrong := _mistake(table, folder))]


def freeze(tables: Iterable[Table[Any]], folder: Path = FOLDER) -> list[str]:
    """Freezes the rows of new tables and versions; their names. Raises Broken for rows that changed without a new version."""
    new = [table for table in tables if not _file(table, folder).exists()]
    if wrong := [_mistake(table, folder) for table in tables if table not in new and _mistake(table, folder)]:
        raise Broken("\n".join(wrong))
    folder.mkdir(exist_ok=True)
    for table in new:
        _file(table, folder).write_text(json.dumps(layout(table), indent=1, sort_keys=True) + "\n")
    return [table.name for table in new]


def _mistake(table: Table[Any], folder: Path) -> str:
    file = _file(table, folder)
    if not file.exists():
        return f"{table.name}: its rows are new; run `make freeze` and commit {file.name}"
    if json.loads(file.read_text()) == layout(table):
        return ""
    return (
        f"{table.name}: {table.row.__name__} changed and the table's version did not, so old changelogs would be read as "
        f"something they are not; raise the version in topics/__init__.py to {table.version + 1} and run `make freeze` "
        f"(operators remove the old changelog with `soulfra topics prune`). If no release ever had {table.name}, delete "
        f"topics/layouts/{file.name} instead, and freeze again"
    )


def _named(kind: type) -> dict[str, Any]:
    """A type that has no JSON schema, by its name; `object` is anything."""
    return {"type": "anything" if kind is object else kind.__qualname__}


def _file(table: Table[Any], folder: Path) -> Path:
    return folder / f"{table.name}.json"


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    properties = {"properties", "$defs"}  # whose names are the fields' own
    return {
        name: {field: _bare(of) for field, of in inner.items()} if name in properties else _bare(inner)
        for name, inner in schema.items()
        if name not in WORDS
    }
