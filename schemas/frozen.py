"""The frozen contracts: every version of every event's contract that was ever published, with its id.

Ids are 2^30 and up, so that they never meet those of a Confluent-compatible registry, which count from 1.
A contract changes by addition only: each new version reads every old one and is read by it (FULL_TRANSITIVE).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from schemas.avro import Schema, contract
from schemas.event import Event
from schemas.evolution import stricter

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
    sentences = set[str]()
    for before in old:
        sentences |= {*stricter(before.schema, now), *_incompatible(before, now)}
    return sorted(sentences)


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
