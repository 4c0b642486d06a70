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
    import asyncio

    from cli.errors import Failed
    from config import settings, telemetry
    from streams.app import Stopped
    from topics.plan import Differs

    telemetry.start(kind, settings())
    try:
        match kind:
            case Kind.TABLES:
                from streams import tables

                asyncio.run(tables.run(settings()))
            case Kind.ANALYSIS:
                from streams import analysis

                asyncio.run(analysis.run(settings()))
            case Kind.PROJECTOR:
                from streams import projector

                projector.run(settings())
    except (Differs, Stopped) as wrong:
        raise Failed(str(wrong)) from None
