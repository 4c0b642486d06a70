"""`soulfra api`: the HTTP edge."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    app.command()(api)


def api() -> None:
    """Run the HTTP edge on granian."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings

    from cli.errors import Failed
    from config import settings
    from topics.plan import Differs, check

    try:
        check(settings())
    except Differs as wrong:
        raise Failed(str(wrong)) from None
    edge = settings().edge
    Granian(
        "api.app:make",
        address=edge.host,
        port=edge.port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=1,
        backlog=4096,
        workers_kill_timeout=5,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        log_access=False,
        respawn_failed_workers=False,
    ).serve()
