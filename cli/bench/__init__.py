"""`soulfra bench`: measured claims. Each bench prints a row per workload and system, with every round and the median."""

from __future__ import annotations

import json
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print data instead of a table.")]


def register(app: typer.Typer) -> None:
    bench = typer.Typer(help="Measure it here.", no_args_is_help=True)
    bench.command()(journey)
    app.add_typer(bench, name="bench")


def journey(as_json: Json = False, rounds: Annotated[int, typer.Option(min=1, max=100)] = 5) -> None:
    """Upload to readable report, memory of the edge under a 100 MB upload, idle memory; against the running Soulfra."""
    from cli.bench.journey import measure
    from cli.bench.table import report

    told = report("journey", measure(rounds))
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"on {told['machine']}")
    for row in told["rows"]:
        typer.echo(f"{row['workload']:<48} {row['median']:>10} {row['unit']:<5} of {row['values']}")
