"""`soulfra api`: the HTTP edge."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    app.command()(api)


def api() -> None:
    """Run the HTTP edge on granian."""
    import math

    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings

    from cli.process import log, process
    from config import telemetry
    from topics.plan import Away, check

    with process("edge") as settings:
        try:
            check(settings, settings.kafka.accept_within)
        except Away as away:
            log.warning("%s; queries are answered meanwhile", away)
        Granian(
            "api.app:make",
            address=settings.edge.host,
            port=settings.edge.port,
            interface=Interfaces.ASGI,
            factory=True,
            workers=1,
            backlog=4096,
            workers_kill_timeout=math.ceil(settings.edge.drain_seconds) + 1,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
            log_access=False,
            log_dictconfig=telemetry.of_servers("edge", settings.environment),
            respawn_failed_workers=False,
        ).serve()
