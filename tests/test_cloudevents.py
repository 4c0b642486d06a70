"""CloudEvents from outside, by the official SDK and by hand: one event is one event, however it comes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Message

from schemas import UsageRecorded
from schemas.wire import encode
from soulfra.usage import SYSTEM_METERS
from tests.conftest import System, eventually
from tests.log import dead, produce, records, send
from tests.test_edge import problem, user
from topics.place import partition_of

pytestmark = pytest.mark.kafka

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
DATA = {"meter": "calls", "quantity": "1"}


def event(id: str = "e", data: Any = None, **more: Any) -> CloudEvent:
    """An event of the SDK; it fills in specversion."""
    attributes = {"id": id, "source": "/gateway", "type": "usage.recorded", "time": NOON} | more
    return CloudEvent(attributes, DATA if data is None else data)


def post(client: httpx.Client, message: HTTPMessage) -> httpx.Response:
    return client.post("/v1/events", content=message.body, headers=message.headers)


def attributes(**more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "e", "source": "/gateway", "type": "usage.recorded", **more}


def verdict(client: httpx.Client, id: str, position: str = "", source: str = "/gateway") -> dict[str, Any]:
    """What became of an event, by both ways of asking."""
    asked = {"source": source, "wait": "10s"} | ({"after": position} if position else {})
    by_query = client.get("/v1/events", params=asked | {"id": id})
    assert by_query.status_code == 200, by_query.text
    told: dict[str, Any] = by_query.json()
    by_path = client.get(f"/v1/events/{quote(id, safe='')}", params=asked)
    assert by_path.json() == told, by_path.text
    return told


def headers_on_the_log(system: System, client: httpx.Client) -> list[dict[str, bytes]]:
    return [dict(message.headers() or []) for message in _mine(system, client)]


def _mine(system: System, client: httpx.Client) -> list[Message]:
    return [
        message for message in records(system, "usage.recorded") if message.key() == f"main/{user(client)}".encode()
    ]


IDS = [
    "plain",
    "50%",
    "a%20b",
    "a b",
    " lead",
    "é€😀",
    "a/b/../c",
    "/a//b/",
    '"quoted"',
    "x?y#z&w=1",
    "a+b,c;d",
    "é" * 128,
]


@pytest.mark.parametrize("id", IDS)
def test_the_same_event_in_every_mode_is_one_event(system: System, edge: httpx.Client, id: str) -> None:
    structured = to_structured_event(event(id))
    batch = HTTPMessage({"content-type": BATCH}, b"[" + structured.body + b"]")
    modes = (to_binary_event(event(id)), structured, batch)
    answers = [post(edge, message) for message in modes]
    assert [answer.status_code for answer in answers] == [202] * 3, [answer.text for answer in answers]
    send(system, UsageRecorded(id=id, source="/gateway", time=NOON, user=user(edge), **DATA))
    asked = {"id": id, "source": "/gateway"}
    assert eventually(lambda: edge.get("/v1/events", params=asked).json().get("duplicates") == 3), verdict(edge, id)
    last = answers[-1].headers["Soulfra-Position"]
    assert verdict(edge, id, last) | {"duplicates": 3} == verdict(edge, id) | {"verdict": "duplicate"}
    assert verdict(edge, id)["conflicts"] == 0 and verdict(edge, id)["id"] == id
    assert edge.get("/v1/users/me/usage").json()["meters"] == [{"meter": "calls", "quantity": "1", "events": 1}]


@pytest.mark.parametrize("source", ["https://example.org/a?b=c#d", "urn:x:a%20b", "//host/~me"])
def test_a_source_is_the_same_in_every_mode(edge: httpx.Client, source: str) -> None:
    for message in (to_binary_event(event(source=source)), to_structured_event(event(source=source))):
        last = post(edge, message)
        assert last.status_code == 202, last.text
    assert verdict(edge, "e", last.headers["Soulfra-Position"], source)["duplicates"] == 1


@pytest.mark.parametrize("id", [".", "..", "a/.."])
def test_an_id_that_a_path_would_swallow_can_be_asked_for_in_the_query(edge: httpx.Client, id: str) -> None:
    position = post(edge, to_binary_event(event(id))).headers["Soulfra-Position"]
    asked = {"id": id, "source": "/gateway", "after": position, "wait": "10s"}
    assert edge.get("/v1/events", params=asked).json()["verdict"] == "counted"


def test_a_structured_event_that_also_bears_ce_headers_is_structured(edge: httpx.Client) -> None:
    stray = {
        "ce-id": "other",
        "ce-type": "chat.exploded",
        "ce-source": "%ff",
        "Content-Type": STRUCTURED + "; charset=utf-8",
    }
    answer = edge.post("/v1/events", content=json.dumps(attributes(data=DATA)), headers=stray)
    assert answer.status_code == 202 and answer.json()["id"] == "e"
    batch = edge.post(
        "/v1/events", content=json.dumps([attributes(data=DATA)]), headers=stray | {"Content-Type": BATCH}
    )
    assert batch.json()["verdicts"][0]["id"] == "e"


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
def test_a_plain_json_body_without_ce_headers_is_an_event_or_a_batch(edge: httpx.Client, kind: str) -> None:
    for body in (attributes(data=DATA), [attributes(data=DATA)]):
        headers = {"Content-Type": kind} if kind else {}
        assert edge.post("/v1/events", content=json.dumps(body), headers=headers).status_code == 202


def test_the_case_of_headers_does_not_matter(edge: httpx.Client) -> None:
    headers = {f"CE-{name.upper()}": value for name, value in attributes(id="a%62").items()}
    assert edge.post("/v1/events", json=DATA, headers=headers).json()["id"] == "ab"


def test_utf_8_in_a_header_is_read_though_it_is_not_percent_encoded(edge: httpx.Client) -> None:
    headers = [(f"ce-{name}".encode(), value.encode()) for name, value in attributes(id="é").items()]
    assert edge.post("/v1/events", json=DATA, headers=headers).json()["id"] == "é"


WRONG: dict[str, tuple[dict[str, Any], Any, int, str, str]] = {
    "no specversion": ({"ce-specversion": None}, DATA, 422, "specversion is '1.0'", "specversion"),
    "no type": ({"ce-type": None}, DATA, 422, "is not known", "type"),
    "no id": ({"ce-id": None}, DATA, 422, "id: ", "id"),
    "a line end in the id": ({"ce-id": "a%0Ab"}, DATA, 422, "control character", "id"),
    "an escape in the id": ({"ce-id": "a%1B[2J"}, DATA, 422, "control character", "id"),
    "an id of 257 bytes": ({"ce-id": "%C3%A9" * 128 + "a"}, DATA, 422, "256 bytes", "id"),
    "an id that is not UTF-8": ({"ce-id": "%ff"}, DATA, 400, "percent sign as %25", "id"),
    "a source with a blank": ({"ce-source": "/a%20b"}, DATA, 422, "URI reference", "source"),
    "our own source, encoded": ({"ce-source": "%73oulfra"}, DATA, 403, "name your own", "source"),
    "text": ({"Content-Type": "text/plain"}, DATA, 415, "not 'text/plain'", "datacontenttype"),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, DATA, 415, "application/json", "datacontenttype"),
    "a type in a header": ({"ce-datacontenttype": "text/xml"}, DATA, 415, "not 'text/xml'", "datacontenttype"),
    "data in a header": ({"ce-data": "x"}, DATA, 400, "the data is the body", "data"),
    "a tenant": ({"ce-tenant": "other"}, DATA, 422, "set by Soulfra alone", "tenant"),
    "ours": ({"ce-soulfraforwarded": "x"}, DATA, 422, "set by Soulfra alone", "soulfraforwarded"),
    "an event in the body": ({}, attributes(data=DATA), 422, "data is an object", "data"),
    "a list in the body": ({}, [DATA], 422, "data is an object", "data"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_event_in_headers_is_refused_with_why_and_where(edge: httpx.Client, name: str) -> None:
    changed, body, status, words, place = WRONG[name]
    good = {f"ce-{name}": value for name, value in attributes().items()} | {"Content-Type": "application/json"}
    headers = {name: value for name, value in (good | changed).items() if value is not None}
    told = problem(edge.post("/v1/events", content=json.dumps(body), headers=headers), status)
    assert words in told["detail"] and told["place"] == place, told


def test_a_header_that_is_there_twice_is_refused(edge: httpx.Client) -> None:
    headers = [(f"ce-{name}", value) for name, value in attributes().items()] + [("CE-ID", "f")]
    assert "ce-id is there twice" in problem(edge.post("/v1/events", json=DATA, headers=headers), 400)["detail"]


@pytest.mark.parametrize(
    "kind", ["application/cloudevents+xml", "application/cloudevents", "application/cloudevents+avro"]
)
def test_an_event_format_other_than_json_is_refused(edge: httpx.Client, kind: str) -> None:
    assert STRUCTURED in problem(edge.post("/v1/events", content=b"{}", headers={"Content-Type": kind}), 415)["detail"]


def test_a_list_is_no_structured_event(edge: httpx.Client) -> None:
    body, kind = json.dumps([attributes(data=DATA)]), {"Content-Type": STRUCTURED}
    assert "JSON object" in problem(edge.post("/v1/events", content=body, headers=kind), 422)["detail"]


@pytest.mark.parametrize("data", ["5", "true", '{"meter": "calls", "quantity": "1"}'])
def test_text_as_data_of_a_structured_event_is_refused(edge: httpx.Client, data: str) -> None:
    assert "data is an object" in problem(post(edge, to_structured_event(event(data=data))), 422)["detail"]


def test_binary_data_of_a_structured_event_is_refused_with_what_to_send(edge: httpx.Client) -> None:
    told = problem(post(edge, to_structured_event(event(data=b'{"meter": "calls"}'))), 422)
    assert told["place"] == "data_base64" and "as a JSON object in data" in told["detail"]


def test_json_that_the_sdk_sends_as_text_is_read_in_binary_mode(edge: httpx.Client) -> None:
    assert post(edge, to_binary_event(event(data=json.dumps(DATA)))).status_code == 202
    assert "data is an object" in problem(post(edge, to_binary_event(event(data="5"))), 422)["detail"]


EXTENSIONS: dict[str, Any] = {
    "traceparent": TRACE, "tracestate": "vendor=1", "partitionkey": "ü/1", "sequence": 7, "sampled": True,
    "averylongnameofanextension": "x",
}  # fmt: skip


def test_extensions_of_the_sdk_are_kept_in_headers_and_are_no_part_of_the_event(
    system: System, edge: httpx.Client
) -> None:
    plain, binary = to_binary_event(event()), to_binary_event(event(**EXTENSIONS))
    structured = to_structured_event(event(**EXTENSIONS | {"sequence": 8}))
    answers = [post(edge, message) for message in (plain, binary, structured)]
    assert [answer.status_code for answer in answers] == [202] * 3, [answer.text for answer in answers]
    told = verdict(edge, "e", answers[-1].headers["Soulfra-Position"])
    assert (told["duplicates"], told["conflicts"]) == (2, 0)
    first, second, third = headers_on_the_log(system, edge)
    assert not [name for name in first if name.removeprefix("ce_") in EXTENSIONS and name != "traceparent"]
    assert second["traceparent"] == third["traceparent"] == TRACE.encode() != first["traceparent"]
    assert second["ce_partitionkey"] == third["ce_partitionkey"] == "ü/1".encode()
    assert (second["ce_sequence"], third["ce_sequence"]) == (b"7", b"8")
    assert third["ce_sampled"] == b"true" and second["ce_averylongnameofanextension"] == b"x"


def test_a_trace_that_is_none_is_kept_and_not_continued(system: System, edge: httpx.Client) -> None:
    answer = edge.post("/v1/events", json=attributes(data=DATA, traceparent="my trace"), headers={"traceparent": TRACE})
    assert answer.status_code == 202
    [headers] = headers_on_the_log(system, edge)
    assert (headers["ce_traceparent"], headers["traceparent"]) == (b"my trace", TRACE.encode())


def test_extensions_that_are_too_many_are_refused_one_event_at_a_time(edge: httpx.Client) -> None:
    sent = [attributes(id=f"{n}", data=DATA, **{f"e{i}": i for i in range(n)}) for n in (16, 17)]
    told = edge.post("/v1/events", json=sent).json()
    assert [verdict["status"] for verdict in told["verdicts"]] == ["accepted", "rejected"]
    assert "at most 16" in told["verdicts"][1]["reason"] and told["verdicts"][1]["place"] == "events[1].e0"


def test_headers_of_others_survive_forwarding_and_dead_letters(system: System, edge: httpx.Client) -> None:
    record = encode(
        UsageRecorded(id="e", source="/gateway", time=NOON, user=user(edge), **DATA), TRACE, {"sequence": "7"}
    )
    record = record._replace(headers=[*record.headers, ("ce_signature", b"\xff")])
    produce(system, "usage.recorded", record, (partition_of(record.key, 8) + 1) % 8)
    assert eventually(lambda: len(headers_on_the_log(system, edge)) == 2)
    for headers in headers_on_the_log(system, edge):
        assert (headers["ce_sequence"], headers["ce_signature"], headers["traceparent"]) == (
            b"7",
            b"\xff",
            TRACE.encode(),
        )
    assert eventually(lambda: edge.get("/v1/events/e", params={"source": "/gateway"}).status_code == 200)
    produce(system, "usage.recorded", record._replace(value=b"\x09 not ours"))
    letters = lambda: [m for m in records(system, "usage.recorded.dlq") if m.key() == record.key]  # noqa: E731
    assert eventually(letters)
    kept = dict(letters()[0].headers() or [])
    assert kept["ce_sequence"] == b"7" and kept["ce_signature"] == b"\xff"


@pytest.mark.parametrize("meter", SYSTEM_METERS)
def test_a_meter_that_the_system_writes_is_refused_at_the_edge_and_by_the_table(
    system: System, edge: httpx.Client, meter: str
) -> None:
    data = DATA | {"meter": meter}
    told = problem(edge.post("/v1/events", json=attributes(data=data)), 403)
    assert told["place"] == "data.meter" and "written by soulfra itself (tables worker)" in told["detail"]
    record = send(system, UsageRecorded(id="e", source="/gateway", time=NOON, user=user(edge), **data))
    assert eventually(lambda: dead(system, "usage.recorded", record.key))
    [letter] = dead(system, "usage.recorded", record.key)
    assert letter["soulfra.reason"] == "refused" and meter in letter["__streams.errors.message"]
    assert not edge.get("/v1/users/me/usage").json().get("meters")


def test_an_id_forges_no_line_of_a_log(system: System, edge: httpx.Client) -> None:
    id = 'x","log.level":"error'
    assert post(edge, to_binary_event(event(id))).status_code == 202
    for name in ("edge", "tables"):
        for line in (system.folder / f"{name}.log").read_text().splitlines():
            assert "log.level" not in line or json.loads(line)["log.level"] != "error"


@pytest.mark.parametrize("id", ["%FF", "%ED%A0%80", "%00", "%0A", "a%FFb", "%", "é" * 2_000])
@pytest.mark.parametrize("place", ["path", "query"])
def test_an_id_that_no_event_can_have_is_unknown(edge: httpx.Client, id: str, place: str) -> None:
    url = f"/v1/events/{id}?source=s" if place == "path" else f"/v1/events?source=s&id={id}"
    assert problem(edge.get(url), 404)["detail"] == "there is no such event, or it is not yours"
