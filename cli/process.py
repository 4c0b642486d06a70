"""What the long-running processes have in common: all that they print is one JSON line each, and they end in order."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config import Settings, WrongSettings, environment, settings, telemetry

log = logging.getLogger("soulfra")


@contextmanager
def process(service: str) -> Iterator[Settings]:
    """For the life of the process, which ends with it: code 0, or 1 when what it cannot do was logged.

    The interpreter is not finalised: threads of obstore's runtime that call it then abort the process, which hides its code
    (obstore 0.12.1: one end in eight after some forty asynchronous calls).
    """
    from streams.engine import Stopped
    from topics.plan import Differs

    signal.signal(signal.SIGTERM, lambda *_: _end(0))  # until it listens in its own way
    telemetry.start(service, environment())
    code = 1
    try:
        now = settings()
        logging.getLogger().setLevel(now.telemetry.log_level)
        yield now
        code = 0
    except (WrongSettings, Differs, Stopped) as wrong:
        log.critical("%s", wrong)
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        _end(code)


def _end(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
