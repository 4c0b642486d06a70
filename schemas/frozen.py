"""The frozen contracts: every version of every event's contract that was ever published, with its id.

Ids are 2^30 and up, so that they never meet those of a Confluent-compatible registry, which count from 1.
A contract changes by addition only: each new version reads every old one and is read by it (FULL_TRANSITIVE).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from schemas.avro import Schema, contract
from schemas.event import Event

FIRST_ID = 2**30
FOLDER = Path(__file__).parent / "contracts"


class Frozen(NamedTuple):
    """One published version of one contract."""

    id: int
    record: str
    version: int
    schema: Schema


class Broken(Exception):
    """A contract changed in a way that readers or writers of an older version would not survive."""


@cache
def frozen() -> tuple[Frozen, ...]:
    """All of them, the oldest first."""
    index = json.loads((FOLDER / "index.json").read_text())
    return tuple(
        Frozen(row["id"], row["record"], row["version"], json.loads((FOLDER / file_of(row)).read_text()))
        for row in index
    )


def file_of(row: dict[str, str | int]) -> str:
    return f"{row['record']}.v{row['version']}.avsc"


def versions(record: str) -> list[Frozen]:
    return [one for one in frozen() if one.record == record]


def latest(event: type[Event]) -> Frozen:
    return versions(event.__name__)[-1]


def mistakes(events: tuple[type[Event], ...]) -> list[str]:
    """Everything that forbids publishing these classes as they are, a sentence each."""
    found = []
    for event in events:
        now, old = contract(event), versions(event.__name__)
        if not old or old[-1].schema != now:
            found += broken(now, old) or [
                f"{event.__name__}: its contract changed compatibly; run `make freeze` and commit it"
            ]
    gone = {one.record for one in frozen()} - {event.__name__ for event in events}
    return found + [f"{record}: was published and has no class any more; keep the class" for record in sorted(gone)]


def freeze(events: tuple[type[Event], ...]) -> list[Frozen]:
    """Publishes what changed compatibly. Raises Broken naming the fields otherwise."""
    rows = [{"id": one.id, "record": one.record, "version": one.version} for one in _published()]
    new = []
    for event in events:
        now, old = contract(event), [one for one in _published() if one.record == event.__name__]
        if old and old[-1].schema == now:
            continue
        if wrong := broken(now, old):
            raise Broken("\n".join(wrong))
        row = Frozen(FIRST_ID + len(rows), event.__name__, len(old) + 1, now)
        rows.append({"id": row.id, "record": row.record, "version": row.version})
        new.append(row)
    for one in new:
        (FOLDER / file_of(one._asdict())).write_text(json.dumps(one.schema, indent=2, ensure_ascii=False) + "\n")
    (FOLDER / "index.json").write_text(json.dumps(rows, indent=1) + "\n")
    frozen.cache_clear()
    return new


def _published() -> tuple[Frozen, ...]:
    return frozen() if (FOLDER / "index.json").exists() else ()


def broken(now: Schema, old: list[Frozen]) -> list[str]:
    """Why the contract may not become this, by the specification's rules and by ours, which are stricter."""
    found = []
    for before in old:
        found += list(_stricter(before.schema, now, now["name"]))
        found += _incompatible(before, now)
    return sorted(set(found))


def _incompatible(before: Frozen, now: Schema) -> list[str]:
    a, b = parse(json.dumps(before.schema)), parse(json.dumps(now))
    found = []
    for reader, writer, says in ((b, a, "cannot read"), (a, b, "would not be read by")):
        checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
        result = checker.get_compatibility(reader, writer)
        if result.compatibility is not SchemaCompatibilityType.compatible:
            where = ", ".join(sorted(result.locations)) or "the record"
            why = ", ".join(sorted(result.messages))
            found.append(f"{before.record}: this contract {says} version {before.version} at {where}: {why}")
    return found


def _stricter(old: object, new: object, place: str) -> Iterator[str]:
    """What the official checker is blind to: lost fields, new ones without default, changed logical types."""
    if isinstance(old, list) and isinstance(new, list):
        for a, b in zip(old, new, strict=False):
            yield from _stricter(a, b, place)
    if (before := _logical(old)) != (after := _logical(new)):
        yield f"{place}: its logical type may not change ({before} to {after})"
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    if old.get("type") == "enum" and new.get("default") != "UNKNOWN":
        yield f"{place}: an enum has the default UNKNOWN"
    for key in ("items", "values", "type"):
        yield from _stricter(old.get(key), new.get(key), place)
    yield from _stricter_fields(old.get("fields", []), new.get("fields", []), place)


def _logical(type_: object) -> str | None:
    return type_.get("logicalType") if isinstance(type_, dict) else None


def _stricter_fields(old: list[Schema], new: list[Schema], place: str) -> Iterator[str]:
    before, after = ({field["name"]: field for field in fields} for fields in (old, new))
    for name in before.keys() - after.keys():
        yield f"{place}.{name}: was published and is gone; nothing is removed or renamed"
    for name in after.keys() - before.keys():
        if "default" not in after[name]:
            yield f"{place}.{name}: is new and has no default; older events lack it"
    for name in before.keys() & after.keys():
        if before[name].get("default") != after[name].get("default"):
            yield f"{place}.{name}: its default may not change"
        yield from _stricter(before[name]["type"], after[name]["type"], f"{place}.{name}")
