"""What is told about a process, set up once: JSON logs in ECS fields, metrics, and health on a port of its own."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread
from typing import Any, NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from config import Settings, metrics

ECS_VERSION = "8.11"
LABELS: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("labels", default=())  # of everything logged from here on
TRACE: ContextVar[str] = ContextVar("trace", default="")  # W3C traceparent of what is being worked on
QUIET = ("aiokafka", "faust", "mode", "kafka", "httpx", "httpcore")  # they tell too much, and may tell payloads


def new_trace() -> str:
    """A W3C traceparent for what nobody traces yet: it joins the log lines of all processes that work on it."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class Health(NamedTuple):
    """What a process says of itself; a sentence says what is wrong, nothing means well."""

    live: Callable[[], str]
    ready: Callable[[], str]


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
        if record.exc_info and record.exc_info[0]:
            line["error.type"] = record.exc_info[0].__name__
            line["error.message"] = str(record.exc_info[1])
            line["error.stack_trace"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def start(service: str, settings: Settings) -> None:
    """Logs of this process go to stdout as JSON; libraries speak only when something is wrong."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(EcsFormatter(f"soulfra-{service}", settings.environment))
    logging.basicConfig(level=settings.telemetry.log_level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("faust.transport.producer").setLevel(
        logging.ERROR
    )  # it warns of every full buffer, which is its normal state
    metrics.BUILD.info({"version": version("soulfra"), "service": service})


def serve(host: str, port: int, health: Health) -> ThreadingHTTPServer:
    """Answers /metrics, /healthz and /readyz from a thread, so that a stuck event loop can still be seen."""

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

    server = ThreadingHTTPServer((host, port), Answer)
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
