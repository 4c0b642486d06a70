"""What a wrong request gets: RFC 9457 problem details with a sentence that says what to do."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from config.objects import Unavailable

log = logging.getLogger("soulfra.edge")

TITLES = {
    400: "Bad request", 401: "Not authenticated", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 412: "Not there yet", 413: "Too large", 415: "Unsupported media type", 422: "Cannot be taken",
    429: "Too many", 500: "Our mistake", 503: "Not available now", 507: "No room",
}  # fmt: skip
RETRY = {"Retry-After": "1"}  # of what is only away for now


class Escaped(JSONResponse):
    """JSON in ASCII: what a caller sent is told back to them, and half a character cannot be encoded."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


class Problem(Exception):
    """An answer that is no success. `headers` and `more` are added to it."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **more: object) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, headers or {}, more


def later(detail: str, seconds: int = 1) -> Problem:
    """Something we need is away for now."""
    return Problem(503, detail, headers={"Retry-After": str(seconds)})


def unknown(what: str) -> Problem:
    """It does not exist, or it is another's: the two are not told apart."""
    return Problem(404, f"there is no such {what}, or it is not yours")


def answer(problem: Problem) -> JSONResponse:
    body = {"type": "about:blank", "title": TITLES.get(problem.status, "Problem"), "status": problem.status}
    headers = problem.headers | ({"WWW-Authenticate": "Bearer"} if problem.status == 401 else {})
    return Escaped(
        {**body, "detail": problem.detail, **problem.more}, problem.status, headers, "application/problem+json"
    )


def install(app: FastAPI) -> None:
    """Every error leaves as a problem; a bug leaves an opaque id that finds its trace in the log."""

    @app.exception_handler(Problem)
    async def told(request: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(Unavailable)
    async def storage_away(request: Request, away: Unavailable) -> JSONResponse:
        log.warning("%s: %s", request.url.path, away)
        hint = "ask again" if request.method == "GET" else "nothing was accepted, send it again"
        return answer(later(f"{away}; {hint} in a moment", 5))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, wrong: RequestValidationError) -> JSONResponse:
        errors = [{"place": ".".join(map(str, error["loc"])), "reason": error["msg"]} for error in wrong.errors()]
        return answer(Problem(422, "; ".join(f"{e['place']}: {e['reason']}" for e in errors), errors=errors))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, wrong: HTTPException) -> JSONResponse:
        path, headers = request.url.path, dict(wrong.headers or {})
        sentences = {
            404: f"there is nothing at {path}; /openapi.json lists what is",
            405: f"{request.method} is not possible at {path}; {headers.get('Allow', 'another method')} is",
            413: f"the body is larger than {path} takes; send less",
        }
        return answer(Problem(wrong.status_code, sentences.get(wrong.status_code, str(wrong.detail)), headers=headers))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, wrong: ClientDisconnect) -> Response:
        return Response(status_code=499)

    @app.exception_handler(Exception)
    async def bug(request: Request, wrong: Exception) -> JSONResponse:
        id = uuid.uuid4().hex
        log.error("request %s failed in our own code", id, exc_info=wrong)
        return answer(Problem(500, f"this is our mistake; tell us the id {id}", id=id))
