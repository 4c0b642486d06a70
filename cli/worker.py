"""`soulfra worker`: the processes that follow the log."""

from __future__ import annotations

from enum import StrEnum

import typer


class Kind(StrEnum):
    TABLES = "tables"
    ANALYSIS = "analysis"
    PROJECTOR = "projector"


def register(app: typer.Typer) -> None:
    app.command()(worker)


def worker(kind: Kind) -> None:
    """Run one worker: tables (folds), analysis (jobs) or projector (fills Redis)."""
    from cli.process import process

    with process(kind) as settings:
        match kind:
            case Kind.TABLES:
                from streams import tables

                tables.run(settings)
            case Kind.ANALYSIS:
                from streams import analysis

                analysis.run(settings)
            case Kind.PROJECTOR:
                from streams import projector

                projector.run(settings)
