"""The edge: wired here, run by granian or any ASGI server as `api.app:make`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response

from api import again, chats, events, people, problem, system, trust
from api.auth import Verifier
from api.copy import Copy
from api.leftover import Leftover
from api.leftovers import Leftovers
from api.log import Log
from config import Settings, metrics, telemetry
from config import settings as configured
from config.objects import Objects
from config.telemetry import TRACE, Health, new_trace
from schemas.extensions import is_traceparent
from topics.plan import check

HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def make(settings: Settings | None = None) -> FastAPI:
    """The ASGI application."""
    settings = settings or configured()
    telemetry.start("edge", settings)

    @asynccontextmanager
    async def wired(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(check, settings)
        state = app.state
        state.settings, state.verifier = settings, Verifier(settings)
        state.log, state.copy, state.objects = Log(settings), Copy(settings), Objects(settings)
        state.leftovers = Leftovers(state.objects, settings.objects.unfinished_seconds)
        sweeping = asyncio.create_task(state.leftovers.run())
        loop = asyncio.get_running_loop()
        health = Health(lambda: "", lambda: asyncio.run_coroutine_threadsafe(state.log.away(), loop).result(3))
        served = telemetry.serve(settings.telemetry.host, settings.telemetry.edge_port, health)
        yield
        sweeping.cancel()
        served.shutdown()
        await asyncio.to_thread(state.log.close)
        await state.copy.redis.aclose()

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
        metrics.HTTP.labels(route, request.method, str(response.status_code)).observe(took)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.add_middleware(Leftover)
    return app
