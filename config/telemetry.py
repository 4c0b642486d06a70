"""What is told about a process, set up once: JSON logs in ECS fields, metrics, and health on a port of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from types import TracebackType
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from config import metrics

log = logging.getLogger("soulfra")

ECS_VERSION = "8.11"
# Packages whose errors quote no chat.
QUOTE_NOTHING = {
    "config",
    "topics",
    "streams",
    "api",
    "cli",
    "confluent_kafka",
    "cimpl",
    "redis",
    "aiokafka",
    "obstore",
}
LABELS: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("labels", default=())  # of everything logged from here on
TRACE: ContextVar[str] = ContextVar("trace", default="")  # W3C traceparent of what is being worked on
BEAT = 1.0  # seconds
QUIET = ("aiokafka", "faust", "mode", "kafka", "httpx", "httpcore")  # they tell too much, and may tell payloads


def new_trace() -> str:
    """A W3C traceparent for what nobody traces yet: it joins the log lines of all processes that work on it."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


@dataclass
class Health:
    """What a process says of itself; a sentence says what is wrong, nothing means well."""

    live: Callable[[], str] = lambda: ""
    ready: Callable[[], str] = lambda: "starting"


class Heartbeat:
    """Tells other threads whether an event loop goes on, and how late it is."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    async def run(self) -> None:
        while True:
            before = self._last = time.monotonic()
            await asyncio.sleep(BEAT)
            metrics.LOOP_LAG.set(max(0.0, time.monotonic() - before - BEAT))

    def stopped(self, seconds: float) -> str:
        """A sentence when it stands still for longer than that."""
        idle = time.monotonic() - self._last
        return f"the event loop stands still for {idle:.0f} s" if idle > seconds + BEAT else ""


class EcsFormatter(logging.Formatter):
    """One JSON line per record in Elastic Common Schema fields."""

    def __init__(self, service: str, environment: str) -> None:
        super().__init__()
        self._about = {
            "ecs.version": ECS_VERSION,
            "service.name": service,
            "service.version": version("soulfra"),
            "service.environment": environment,
        }

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            **self._about,
            "event.dataset": record.name,
        }
        if parts := TRACE.get().split("-")[1:3]:
            line["trace.id"], line["span.id"] = parts
        line |= {f"labels.{name}": value for name, value in LABELS.get()}
        if record.exc_info and record.exc_info[1]:
            line |= _error(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _error(error: BaseException) -> dict[str, str]:
    """Type, place, and the message only of those who know no chat: that of a `KeyError` may be a person's words."""
    fields = {"error.type": type(error).__name__, "error.stack_trace": _trace(error)}
    return fields | ({"error.message": str(error)} if _quotes_nothing(error) else {})


def _trace(error: BaseException) -> str:
    """As Python prints it, without what the errors say."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [_trace(before), "\nwhich led to\n\n"] if before is not None else []
    return "".join([*lines, *traceback.format_tb(error.__traceback__), type(error).__name__, "\n"])


def _quotes_nothing(error: BaseException) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in QUOTE_NOTHING


def start(service: str, environment: str, level: str = "INFO") -> None:
    """All that this process prints goes to stdout as JSON, also what ends it; libraries speak only when something is wrong."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(EcsFormatter(f"soulfra-{service}", environment))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda failed: _uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("faust.transport.producer").setLevel(
        logging.ERROR
    )  # it warns of every full buffer, which is its normal state
    metrics.BUILD.info({"version": version("soulfra"), "service": service})


def of_servers(service: str, environment: str) -> dict[str, Any]:
    """For a server that sets logging up by itself: its lines are as ours."""
    lines = {"()": EcsFormatter, "service": f"soulfra-{service}", "environment": environment}
    console = {"class": "logging.StreamHandler", "formatter": "ecs", "stream": "ext://sys.stdout"}
    return {"formatters": {"ecs": lines}, "handlers": {"console": console}, "root": {"handlers": ["console"], "level": "INFO"},
            "loggers": {"_granian": {"propagate": True}}}  # fmt: skip


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt | SystemExit):
        log.critical("the process ends", exc_info=(kind, error, trace))


def serve(host: str, port: int, health: Health) -> ThreadingHTTPServer:
    """Answers /metrics, /healthz and /readyz from a thread, so that a stuck event loop can still be seen.

    Raises OSError with a sentence where it cannot.
    """

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(self.path, health)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds; they are not worth a line."""

    try:
        server = ThreadingHTTPServer((host, port), Answer)
    except OSError as busy:
        raise OSError(f"health cannot be served at {host}:{port} ({busy.strerror})") from None
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="telemetry", daemon=True).start()
    return server


def answer(path: str, health: Health) -> tuple[int, str, bytes]:
    """Status, content type and body of one of the three."""
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest()
    asked = {"/healthz": health.live, "/readyz": health.ready}.get(path)
    if asked is None:
        return 404, "text/plain", b"ask for /metrics, /healthz or /readyz\n"
    wrong = asked()
    return (503 if wrong else 200), "text/plain; charset=utf-8", f"{wrong or 'ok'}\n".encode()
