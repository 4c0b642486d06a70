"""The start of a worker: its health is served from the first moment on, it waits for Kafka and says so, and then it works."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from threading import Event, Thread

from config import Settings
from config.telemetry import Health, serve
from streams.engine import Stopped
from topics.plan import Away, check

log = logging.getLogger("soulfra.streams")

AGAIN = 1.0  # seconds between two attempts
LOOK = 0.1  # seconds between two looks whether it is told to stop

Ids = dict[str, str]  # of topics, by name
Work = Callable[[Ids, Health, Event], None]  # with what the process says of itself, and what tells it to stop


def run(settings: Settings, port: int, work: Work) -> None:
    """Works until SIGTERM or Ctrl-C. Raises Differs, Stopped, or what the work raises."""
    stop, health = Event(), Health()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        server = serve(settings.telemetry.host, port, health)
    except OSError as busy:
        raise Stopped(str(busy)) from None
    try:
        if (ids := waited(settings, health, stop)) is not None:
            work(ids, health, stop)
    finally:
        server.shutdown()


def waited(settings: Settings, health: Health, stop: Event) -> Ids | None:
    """The ids of all topics; None when told to stop meanwhile. Alive and not ready until then. Raises Differs."""
    why = f"waiting for Kafka at {settings.kafka.bootstrap}"
    health.ready = lambda: why
    while not stop.is_set():
        try:
            return _checked(settings, stop)
        except Away as away:
            why = str(away)
            log.warning("%s; waiting", why)
        stop.wait(AGAIN)
    return None


def _checked(settings: Settings, stop: Event) -> Ids | None:
    """In a thread that nobody has to wait for: a broker that hangs takes its time."""
    answer: Future[Ids] = Future()

    def ask() -> None:
        try:
            answer.set_result(check(settings))
        except BaseException as failed:
            answer.set_exception(failed)

    Thread(target=ask, name="check topics", daemon=True).start()
    while not stop.is_set():
        try:
            return answer.result(LOOK)
        except Late:
            continue
    return None
