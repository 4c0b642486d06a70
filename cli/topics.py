"""`soulfra topics` and `soulfra schemas`: the catalogue and the contracts."""

from __future__ import annotations

import json
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]


def register(app: typer.Typer) -> None:
    topics = typer.Typer(help="The topics: what exists, what should, and making it so.", no_args_is_help=True)
    topics.command("list")(list_)
    topics.command()(plan)
    topics.command()(apply)
    topics.command()(asyncapi)
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


def apply(as_json: Json = False) -> None:
    """Create and configure what is missing. Never deletes, shrinks or grows; running it again changes nothing."""
    from config import settings
    from topics import plan as planning

    _told(lambda: planning.apply(settings()), as_json, "")


def asyncapi() -> None:
    """The AsyncAPI 3 document of all topics."""
    from config import settings
    from topics.document import asyncapi as document

    typer.echo(json.dumps(document(settings().kafka.bootstrap), indent=2))


def check() -> None:
    """Whether every contract is frozen, and every change compatible; names the field that is not."""
    from cli.errors import Failed
    from schemas import EVENTS
    from schemas.avro import Undescribed
    from schemas.frozen import mistakes

    try:
        found = mistakes(EVENTS)
    except Undescribed as wrong:
        raise Failed(str(wrong)) from None
    if found:
        raise Failed("\n".join(found))
    typer.echo(f"{len(EVENTS)} contracts are frozen and compatible")


def freeze() -> None:
    """Publish contracts that changed compatibly under new versions and ids."""
    from cli.errors import Failed
    from schemas import EVENTS
    from schemas.frozen import Broken
    from schemas.frozen import freeze as publish

    try:
        new = publish(EVENTS)
    except Broken as wrong:
        raise Failed(str(wrong)) from None
    for one in new:
        typer.echo(f"{one.record} version {one.version}, id {one.id}")


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
