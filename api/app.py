"""The edge: wired here, run by granian or any ASGI server as `api.app:make`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI, Request, Response

from api import again, chats, events, people, problem, system, trust
from api.admission import Admission
from api.auth import Verifier
from api.copy import Copy
from api.leftover import Leftover
from api.leftovers import Leftovers
from api.log import Log
from api.progress import ProgressFeed
from api.stopping import Door, Stopping
from config import Settings, metrics, telemetry
from config import settings as configured
from config.objects import Objects
from config.telemetry import TRACE, Health, Heartbeat, new_trace
from schemas.extensions import is_traceparent

READY_WITHIN = 3.0  # seconds for the answer
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def make(settings: Settings | None = None) -> FastAPI:
    """The ASGI application."""
    settings = settings or configured()
    telemetry.start("edge", settings.environment, settings.telemetry.log_level)

    @asynccontextmanager
    async def wired(app: FastAPI) -> AsyncIterator[None]:
        state, stopping, heart = app.state, Stopping(settings.edge.drain_seconds), Heartbeat()
        stopping.listen()
        state.stopping, state.admission = stopping, Admission(settings.edge)
        state.settings, state.verifier = settings, Verifier(settings)
        state.log, state.copy, state.objects = Log(settings), Copy(settings, stopping), Objects(settings)
        state.progress = ProgressFeed(state.copy, stopping)
        state.leftovers = Leftovers(state.objects, settings.objects.unfinished_seconds)
        await state.log.check(settings.kafka.accept_within)
        beside = [asyncio.create_task(run()) for run in (
            heart.run, state.leftovers.run, state.progress.run, partial(state.log.until_open, stopping),
        )]  # fmt: skip
        loop = asyncio.get_running_loop()
        served = telemetry.serve(settings.telemetry.host, settings.telemetry.edge_port, Health(
            lambda: heart.stopped(settings.worker.stuck_seconds),
            lambda: asyncio.run_coroutine_threadsafe(system.readiness(state), loop).result(READY_WITHIN)[0],
        ))  # fmt: skip
        yield
        for task in beside:
            task.cancel()
        served.shutdown()
        await asyncio.to_thread(state.log.close)
        await state.copy.close()

    app = FastAPI(title="Soulfra", version=version("soulfra"), lifespan=wired, docs_url=None, redoc_url=None)
    problem.install(app)
    for part in (system, events, chats, again, people, trust):
        app.include_router(part.router)

    @app.middleware("http")
    async def measured(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        trace = request.headers.get("traceparent", "")
        TRACE.set(trace if is_traceparent(trace) else new_trace())
        response = await answer(request)
        route = getattr(request.scope.get("route"), "path", "(none)")
        took = time.perf_counter() - started
        metrics.HTTP.labels(route, _method(request), str(response.status_code)).observe(took)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.add_middleware(Door)
    app.add_middleware(Leftover)
    return app


def _method(request: Request) -> str:
    """For a label: callers may invent methods, and no route has them (OpenTelemetry's word for those is `_OTHER`)."""
    known = getattr(request.scope.get("route"), "methods", None) or ()
    return request.method if request.method in known else "_OTHER"
