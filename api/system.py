"""What machines ask: health, contracts as a read-only schema registry, AsyncAPI; and the one page for people."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.datastructures import State

from schemas.frozen import Frozen, frozen, versions
from topics import TOPICS
from topics.document import asyncapi, subject

router = APIRouter(tags=["system"])
PAGE = (Path(__file__).parent / "pages" / "index.html").read_text()
PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SCRIPT = (Path(__file__).parent / "pages" / "index.js").read_text()
STYLE = (Path(__file__).parent / "pages" / "index.css").read_text()
LOOKUP_LIMIT = 1024 * 1024  # bytes of a contract that is looked up
READ_ONLY = (
    "this registry is read-only: contracts are frozen in the code (`make freeze`); set auto.register.schemas to false"
)


@router.get("/", include_in_schema=False)
async def page() -> Response:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": PAGE_POLICY})


@router.get("/index.js", include_in_schema=False)
async def script() -> Response:
    return Response(SCRIPT, media_type="text/javascript")


@router.get("/index.css", include_in_schema=False)
async def style() -> Response:
    return Response(STYLE, media_type="text/css")


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """Whether the process lives."""
    return "ok\n"


@router.get("/readyz", response_class=PlainTextResponse)
async def readyz(request: Request) -> Response:
    """Whether anything can be done here: events are taken while Kafka answers, queries are answered while Redis does."""
    wrong, notes = await readiness(request.app.state)
    return PlainTextResponse(f"{wrong or '; '.join(['ok', *notes])}\n", 503 if wrong else 200)


async def readiness(state: State) -> tuple[str, list[str]]:
    """Why nothing can be done here, empty when something can; and what is answered 503, with why."""
    if state.stopping.begun.is_set():
        return "the process is ending", []
    log, copy = await asyncio.gather(state.log.away(), state.copy.away())
    reasons = [f"{why}: {what} answer 503" for why, what in ((log, "events"), (copy, "queries")) if why]
    return ("; ".join(reasons) if log and copy else ""), reasons


@router.get("/asyncapi.json")
async def asyncapi_document(request: Request) -> dict[str, Any]:
    """AsyncAPI 3 of all topics."""
    return asyncapi(request.app.state.settings.kafka.public_bootstrap)


@router.get("/schemas/ids/{id}", tags=["registry"])
async def schema(id: int) -> Response:
    """A contract by its id, as a Confluent-compatible registry answers."""
    found = next((one for one in frozen() if one.id == id), None)
    return JSONResponse({"schema": json.dumps(found.schema)}) if found else _missing(40403, f"schema {id} not found")


@router.get("/subjects", tags=["registry"])
async def subjects() -> list[str]:
    return sorted(_subjects())


@router.get("/subjects/{name}/versions", tags=["registry"])
async def subject_versions(name: str) -> Response:
    record = _subjects().get(name)
    return (
        JSONResponse([one.version for one in versions(record)])
        if record
        else _missing(40401, f"subject {name} not found")
    )


@router.get("/subjects/{name}/versions/{version}", tags=["registry"])
async def subject_version(name: str, version: str) -> Response:
    found = versions(_subjects().get(name, ""))
    wanted = [one for one in found if version in ("latest", str(one.version))]
    return (
        JSONResponse(_told(name, wanted[-1])) if wanted else _missing(40402, f"version {version} of {name} not found")
    )


@router.post("/subjects/{name}", tags=["registry"], max_body_size=LOOKUP_LIMIT)
async def lookup(name: str, request: Request) -> Response:
    """The id of a contract that is given as text."""
    try:
        given = json.loads((await request.json())["schema"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return JSONResponse({"error_code": 42201, "message": 'the body is {"schema": "<the contract as text>"}'}, 422)
    found = [one for one in versions(_subjects().get(name, "")) if one.schema == given]
    return JSONResponse(_told(name, found[-1])) if found else _missing(40403, "schema not found")


@router.post("/subjects/{name}/versions", tags=["registry"])
async def refused(name: str) -> Response:
    return JSONResponse({"error_code": 42205, "message": READ_ONLY}, 422)


def _subjects() -> dict[str, str]:
    """Subjects and the record each names: `<topic>-<record>`, and `<topic>-value` for a topic's first."""
    named = {subject(topic, event): event.__name__ for topic in TOPICS for event in topic.events}
    return named | {f"{topic.name}-value": topic.events[0].__name__ for topic in TOPICS}


def _told(name: str, one: Frozen) -> dict[str, Any]:
    return {"subject": name, "id": one.id, "version": one.version, "schema": json.dumps(one.schema)}


def _missing(code: int, message: str) -> Response:
    return JSONResponse({"error_code": code, "message": message}, 404)
