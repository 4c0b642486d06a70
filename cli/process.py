"""What the long-running processes have in common: all that they print is one JSON line each, and they end in order."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from config import Settings, WrongSettings, environment, settings, telemetry

log = logging.getLogger("soulfra")


@contextmanager
def process(service: str) -> Iterator[Settings]:
    """For the life of the process. What it cannot do is logged as a sentence, with exit code 1."""
    from streams.engine import Stopped
    from topics.plan import Differs

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until it listens in its own way
    telemetry.start(service, environment())
    try:
        now = settings()
        logging.getLogger().setLevel(now.telemetry.log_level)
        yield now
    except (WrongSettings, Differs, Stopped) as wrong:
        log.critical("%s", wrong)
        raise typer.Exit(1) from None
