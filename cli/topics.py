"""`soulfra topics` and `soulfra schemas`: the catalogue and the contracts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from topics.prune import Leftover

Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]


def register(app: typer.Typer) -> None:
    topics = typer.Typer(help="The topics: what exists, what should, and making it so.", no_args_is_help=True)
    topics.command("list")(list_)
    topics.command()(plan)
    topics.command()(apply)
    topics.command()(asyncapi)
    topics.command()(prune)
    app.add_typer(topics, name="topics")
    schemas = typer.Typer(help="The contracts of events.", no_args_is_help=True)
    schemas.command()(check)
    schemas.command()(freeze)
    app.add_typer(schemas, name="schemas")


def list_(as_json: Json = False) -> None:
    """The catalogue: each topic, its events, who writes it and how long it is kept."""
    from topics.document import rows, table

    typer.echo(json.dumps(rows(), indent=2) if as_json else table())


def plan(as_json: Json = False) -> None:
    """What `apply` would do."""
    from config import settings
    from topics import plan as planning

    _told(lambda: planning.plan(settings()), as_json, "would ")


def apply(
    as_json: Json = False,
    configure: Annotated[
        bool, typer.Option("--configure", help="Also set existing topics as the catalogue says.")
    ] = False,
) -> None:
    """Create what is missing. Never deletes, shrinks or grows; running it again changes nothing.

    Settings of existing topics stay as an operator may have changed them; `plan` says where they differ.
    """
    from config import settings
    from topics import plan as planning

    _told(lambda: planning.apply(settings(), configure), as_json, "")


def asyncapi() -> None:
    """The AsyncAPI 3 document of all topics."""
    from config import settings
    from topics.document import asyncapi as document

    typer.echo(json.dumps(document(settings().kafka.bootstrap), indent=2))


def prune(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete changelogs and rows in Redis of older versions of tables, once the newer ones have caught up."""
    from cli.errors import Failed
    from config import settings
    from topics import prune as pruning

    try:
        left = pruning.leftovers(settings())
        removable = [one for one in left if not one.kept]
        if not as_json:
            typer.echo("\n".join(map(_line, left)) or "nothing is left over from older releases")
        if removable and not dry_run:
            if not yes:
                typer.confirm(f"Delete {', '.join(one.table for one in removable)} for good?", abort=True)
            keys = pruning.prune(settings(), removable)
            typer.echo(f"deleted {len(removable)} old versions of tables, and {keys} keys in Redis", err=as_json)
    except pruning.Unknown as wrong:
        raise Failed(str(wrong)) from None
    if as_json:
        typer.echo(json.dumps([_fields(one) | {"deleted": not one.kept and not dry_run} for one in left], indent=2))


def _line(one: Leftover) -> str:
    size = f"changelog of up to {one.records} records, {one.keys} keys in Redis"
    return f"{one.table:<16} {size}" + (f"; stays: {one.kept}" if one.kept else "")


def _fields(one: Leftover) -> dict[str, object]:
    return {
        "table": one.table,
        "topic": one.topic if one.changelog else None,
        "records": one.records,
        "keys": one.keys,
        "kept": one.kept,
    }


def check() -> None:
    """Whether every contract and every table's rows are frozen, and every change compatible; names what is not."""
    from cli.errors import Failed
    from schemas import EVENTS
    from schemas.avro import Undescribed
    from schemas.frozen import mistakes
    from topics import TABLES, layout

    try:
        wrong = mistakes(EVENTS) + layout.mistakes(TABLES)
    except Undescribed as undescribed:
        raise Failed(str(undescribed)) from None
    if wrong:
        raise Failed("\n".join(wrong))
    typer.echo(f"{len(EVENTS)} contracts and the rows of {len(TABLES)} tables are frozen and compatible")


def freeze() -> None:
    """Publish contracts that changed compatibly under new versions and ids, and freeze the rows of new tables."""
    from cli.errors import Failed
    from schemas import EVENTS
    from schemas.frozen import Broken
    from schemas.frozen import freeze as publish
    from topics import TABLES, layout

    try:
        for contract in publish(EVENTS):
            typer.echo(f"{contract.record} version {contract.version}, id {contract.id}")
        for name in layout.freeze(TABLES):
            typer.echo(f"rows of {name}")
    except Broken as wrong:
        raise Failed(str(wrong)) from None


def _told(steps: object, as_json: bool, verb: str) -> None:
    from cli.errors import Failed
    from topics.plan import Differs

    try:
        done = steps()  # type: ignore[operator]
    except Differs as wrong:
        raise Failed(str(wrong)) from None
    if as_json:
        typer.echo(
            json.dumps([{"action": step.action, "topic": step.topic, "why": step.why} for step in done], indent=2)
        )
        return
    for step in done:
        typer.echo(f"{verb}{step.action} {step.topic}: {step.why}")
    typer.echo(f"{len(done)} of the topics differ" if done else "all topics are as the catalogue says")
