"""A registry of somebody else: only what does not exist is unknown, everything else waits, and nobody waits with it."""

from __future__ import annotations

import asyncio
import io
import json
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import fastavro
import pytest

from config.keys import new_user
from schemas import Malformed, UsageRecorded
from schemas.avro import contract
from schemas.wire import FRAME, Record, Unknown, decode, encode
from streams.registry import Registry, Unreachable
from tests.conftest import System, eventually, free_port
from tests.log import dead, produce

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVENT = UsageRecorded(id="1", source="t", time=NOON, user="u1", meter="m", quantity="1")
ID = "/schemas/ids/7"


class Server:
    """What it answers, by path, the last one again and again; and how often it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.asked: Counter[str] = Counter()
        self.open = Event()  # it answers when this is set
        self.open.set()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.open.wait(30)
                there = server.answers.get(self.path, [(404, {"error_code": 40403})])
                status, body = there[min(server.asked[self.path], len(there) - 1)]
                server.asked[self.path] += 1
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, *_: object) -> None: ...

        return Answer

    def close(self) -> None:
        self.open.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def avro(schema: Any, **more: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"schema": json.dumps(schema), **more}


def framed(schema_id: int = 7) -> Record:
    ours = encode(EVENT)
    return ours._replace(value=FRAME.pack(0, schema_id) + ours.value[FRAME.size :])


async def read(registry: Registry, record: Record) -> Any:
    """As a worker does it."""
    try:
        return decode(*record, registry)
    except Unknown as unknown:
        await registry.look_up(unknown.schema_id)
        return decode(*record, registry)


async def test_a_schema_of_another_registry_is_looked_up_once(server: Server) -> None:
    server.answers[ID] = [avro(contract(UsageRecorded))]
    registry = Registry(server.url)
    assert await asyncio.gather(*(read(registry, framed()) for _ in range(20))) == [EVENT] * 20
    assert server.asked == {ID: 1}


@pytest.mark.parametrize("status", [500, 503, 401, 403, 429, 302])
async def test_a_registry_in_trouble_is_asked_again_and_the_event_stays_good(server: Server, status: int) -> None:
    server.answers[ID] = [(status, {"message": "not now"}), avro(contract(UsageRecorded))]
    assert await read(Registry(server.url), framed()) == EVENT and server.asked[ID] == 2


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"", b'{"schema": 3}'])
async def test_an_answer_that_says_nothing_about_the_schema_is_none(server: Server, body: bytes) -> None:
    server.answers[ID] = [(200, body), avro(contract(UsageRecorded))]
    assert await read(Registry(server.url), framed()) == EVENT


@pytest.mark.parametrize("status", [503, 0])
async def test_a_registry_that_stays_away_ends_the_wait_with_a_sentence(server: Server, status: int) -> None:
    server.answers[ID] = [(status, {})]
    url = server.url if status else f"http://somebody:geheim@127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match="SOULFRA_REGISTRY__URL") as away:
        await read(Registry(url, patience=0.5), framed())
    assert "geheim" not in str(away.value) and ("503" in str(away.value)) is bool(status)


async def test_only_a_schema_that_does_not_exist_is_unknown_and_not_for_ever(server: Server) -> None:
    registry = Registry(server.url, unknown_for=2)
    for _ in range(3):
        with pytest.raises(Malformed, match="schema 7 is not known"):
            await read(registry, framed())
    assert server.asked[ID] == 1
    server.answers[ID] = [avro(contract(UsageRecorded))]
    await asyncio.sleep(2.1)
    assert await read(registry, framed()) == EVENT


async def test_others_go_on_while_the_registry_is_slow(server: Server) -> None:
    server.answers[ID] = [avro(contract(UsageRecorded))]
    server.open.clear()
    waiting = asyncio.ensure_future(read(Registry(server.url), framed()))
    await asyncio.sleep(0.1)
    assert not waiting.done() and decode(*encode(EVENT)) == EVENT
    server.open.set()
    assert await waiting == EVENT


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {"schema": "{}", "schemaType": "JSON"}), "of type JSON"),
        ((200, {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}), "of type PROTOBUF"),
        (avro("string"), "no record"),
        (avro(["null", "string"]), "no record"),
        ((200, {"schema": "no schema"}), "cannot be parsed"),
        (avro({"type": "record", "name": "X", "fields": [{"name": "a", "type": "Nowhere"}]}), "cannot be parsed"),
        (avro(contract(UsageRecorded), references=[{"name": "x"}]), "without subject"),
        (avro(contract(UsageRecorded), references=[{"subject": "gone", "version": 1}]), "which does not exist"),
        ((200, {"schema": "x" * 2_000_000}), "larger than"),
    ],
)
async def test_a_schema_that_is_no_avro_record_makes_its_event_malformed(
    server: Server, answer: Any, says: str
) -> None:
    server.answers[ID] = [answer]
    registry = Registry(server.url)
    for _ in range(2):
        with pytest.raises(Malformed, match=says):
            await read(registry, framed())
    assert server.asked[ID] == 1


def record(name: str, *fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "acme", "fields": list(fields)}


async def test_a_schema_with_references_is_read(server: Server) -> None:
    """A usage refers to who and where, who refers to where: each is fetched once, and stands before what needs it."""
    where, who = (
        record("Where", {"name": "city", "type": "string"}),
        record("Who", {"name": "at", "type": "acme.Where"}),
    )
    text = [{"name": name, "type": "string"} for name in ("meter", "quantity")]
    usage = record("UsageRecorded", *text, {"name": "who", "type": "acme.Who"}, {"name": "at", "type": "Where"})
    to = {name: {"name": f"acme.{name}", "subject": f"acme/{name}", "version": 2} for name in ("Where", "Who")}
    server.answers = {
        ID: [avro(usage, references=[to["Who"], to["Where"]])],
        "/subjects/acme%2FWho/versions/2": [avro(who, references=[to["Where"]])],
        "/subjects/acme%2FWhere/versions/2": [(503, {}), avro(where)],
    }
    names: dict[str, Any] = {}
    parsed = [fastavro.parse_schema(schema, named_schemas=names) for schema in (where, who, usage)]
    body = io.BytesIO()
    values = {"meter": "m", "quantity": "1", "who": {"at": {"city": "Bonn"}}, "at": {"city": "Ulm"}}
    fastavro.schemaless_writer(body, parsed[-1], values)
    assert await read(Registry(server.url), framed()._replace(value=FRAME.pack(0, 7) + body.getvalue())) == EVENT
    assert sorted(server.asked.values()) == [1, 1, 2]


async def test_references_without_end_are_refused(server: Server) -> None:
    server.answers = {
        f"/subjects/s/versions/{n}": [avro("string", references=[{"subject": "s", "version": n + 1}])]
        for n in range(100)
    }
    server.answers[ID] = [avro(contract(UsageRecorded), references=[{"subject": "s", "version": 0}])]
    with pytest.raises(Malformed, match="deeper than"):
        await read(Registry(server.url), framed())
    assert sum(server.asked.values()) < 20


async def test_what_is_remembered_is_bounded(server: Server) -> None:
    registry = Registry(server.url, known=3)
    for schema_id in range(1, 10):
        with pytest.raises(Malformed):
            await read(registry, framed(schema_id))
    assert len(registry._answers) == 3


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_an_event_waits_for_its_registry_while_other_topics_go_on_and_a_worker_that_waits_too_long_says_so(
    system: System, server: Server, sample: bytes
) -> None:
    user = new_user()
    record = framed()._replace(key=f"main/{user}".encode())
    subject = [(name, user.encode() if name == "ce_subject" else value) for name, value in record.headers]
    server.answers[ID] = [(503, {})]
    system.kill("tables", signal.SIGTERM)
    system.begin("tables", SOULFRA_REGISTRY__URL=server.url, SOULFRA_WORKER__STUCK_SECONDS="20")
    produce(system, "usage.recorded", record._replace(headers=subject))
    assert system.running.pop("tables").wait(120) == 1
    assert (
        "cannot be used: it answers with status 503; see SOULFRA_REGISTRY__URL"
        in (system.folder / "tables.log").read_text()
    )

    before = server.asked[ID]
    system.begin("tables", SOULFRA_REGISTRY__URL=server.url)
    assert eventually(lambda: server.asked[ID] > before + 1)
    with system.client(user=user) as client:
        chat = client.post("/v1/chats", content=sample).raise_for_status().json()["chat_id"]
        done = client.get(f"/v1/chats/{chat}", params={"until": "trust", "wait": "30s"}).raise_for_status().json()
        assert done["status"] == "done"
        server.answers[ID] = [avro(contract(UsageRecorded))]

        def meters() -> set[str]:
            return {meter["meter"] for meter in client.get("/v1/users/me/usage").json()["meters"]}

        assert eventually(lambda: "m" in meters()), meters()
    assert dead(system, "usage.recorded", record.key) == []
    system.kill("tables", signal.SIGTERM)
    system.restart("tables")


async def test_without_a_registry_nothing_is_asked() -> None:
    with pytest.raises(Malformed, match="configure the one that has it"):
        await read(Registry(""), framed())
