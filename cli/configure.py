"""`soulfra config`: which settings are in force, and where each came from."""

from __future__ import annotations

import json
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]


def register(app: typer.Typer) -> None:
    config = typer.Typer(help="The settings in force.", no_args_is_help=True)
    config.command()(show)
    config.command()(explain)
    app.add_typer(config, name="config")


def show(as_json: Json = False) -> None:
    """Every setting, its value, and where it came from."""
    from config import every_key
    from config.explain import origins, value_of

    told = {key: {"value": value_of(key), "source": origins(key)[0].source} for key in every_key()}
    if as_json:
        typer.echo(json.dumps(told, indent=2, default=str))
        return
    for key, one in told.items():
        source = "" if one["source"] == "default" else f"  ({one['source']})"
        typer.echo(f"{key} = {one['value']}{source}")


def explain(key: Annotated[str, typer.Argument(help="For example kafka.partitions.")]) -> None:
    """One setting: what it means, its value, where that came from, and what it overrides."""
    from config import Settings, name_of
    from config.explain import origins, value_of

    said = origins(key)
    section, _, name = key.partition(".")
    field = Settings.model_fields[section]
    described = field.annotation.model_fields[name].description if name and field.annotation else field.description
    typer.echo(f"{key} = {value_of(key)}")
    if described:
        typer.echo(f"  {described}")
    typer.echo(f"  from {said[0].source}")
    for one in said[1:]:
        typer.echo(f"  overrides {one.source}: {one.value}")
    typer.echo(f"  set it with {name_of(key)}")
