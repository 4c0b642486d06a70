"""Bad input at the edge: each mistake gets a problem (RFC 9457) with a sentence, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import io
import json
import os
import socket
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.auth import Verifier
from api.problem import Problem
from config import Settings
from config.keys import public_keys
from config.objects import Objects
from tests.conftest import PATIENCE, System, eventually
from topics import TOPICS
from topics.place import partition_of

pytestmark = pytest.mark.kafka

MEBIBYTE = 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 200
FORM = {"Content-Type": "multipart/form-data; boundary=X"}
FILE = b'--X\r\nContent-Disposition: form-data; name="file"; filename="chat.json"\r\n\r\n'
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module", autouse=True)
def _no_bad_input_reaches_our_own_code(system: System) -> Iterator[None]:
    log = system.folder / "edge.log"
    before = log.stat().st_size
    yield
    assert "failed in our own code" not in log.read_bytes()[before:].decode()


@pytest.fixture
def writer(system: System) -> Iterator[httpx.Client]:
    """A caller who may write events about others."""
    with system.client(("chats", "events:write")) as client:
        yield client


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem, which must be one that a person can act on."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= set(told) and told["status"] == status
    assert len(told["detail"].split()) >= 3, told
    return told


def user(client: httpx.Client) -> str:
    return str(client.user)  # type: ignore[attr-defined]


def files(system: System, client: httpx.Client) -> list[Path]:
    folder = system.folder / "objects" / "chats" / "main" / user(client)
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def followed(client: httpx.Client, chat_id: str) -> dict[str, Any]:
    asked = {"until": "analysis", "wait": "20s"}
    told: dict[str, Any] = client.get(f"/v1/chats/{chat_id}", params=asked).json()
    assert told["reached"], told
    return told


def nothing_left(system: System, client: httpx.Client, sample: bytes) -> None:
    """A good chat afterwards is the only one: its records stand behind whatever the bad one might have left."""
    chat_id = client.post("/v1/chats", content=sample).json()["chat_id"]
    assert followed(client, chat_id)["status"] == "done"
    assert [chat["chat_id"] for chat in client.get("/v1/chats").json()["chats"]] == [chat_id]
    assert eventually(lambda: {path.parts[0] for path in files(system, client)} == {chat_id}), files(system, client)


def failed(system: System, client: httpx.Client, content: bytes, words: str, **asked: str) -> dict[str, Any]:
    """The failure of a file that is accepted and then found to be unreadable; the file itself stays."""
    answer = client.post("/v1/chats", content=content, params=asked)
    assert answer.status_code == 202, answer.text
    told = followed(client, answer.json()["chat_id"])
    assert told["status"] == "failed" and "insights" not in told
    assert words in told["failure"]["sentence"], told
    left = {path.name for path in files(system, client)}
    assert "upload" in left and not [name for name in left if name.startswith("result")]
    assert problem(client.get(f"/v1/chats/{told['chat_id']}/report.json"), 409)
    return told


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


# Uploads


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \r\n", "the file is empty"),
        (PNG, "a PNG picture"),
        (b"<!DOCTYPE html><html><head><title>Exported Data</title>", "Machine-readable JSON"),
        (b'{"recipes": [{"eggs": 2}]}', "recipes, eggs"),
        (b"dear diary, today nothing happened\n" * 9, "no line begins as a known chat does"),
        (bytes(range(128, 256)) * 4, "not text"),
    ],
    ids=["empty", "blank", "picture", "telegram-html", "unknown-json", "prose", "binary"],
)
def test_a_file_that_is_no_chat_is_refused_with_what_was_seen(
    system: System, edge: httpx.Client, sample: bytes, content: bytes, words: str
) -> None:
    named = {"Content-Disposition": 'attachment; filename="conversations.json"'}
    assert words in problem(edge.post("/v1/chats", content=content, headers=named), 422)["detail"]
    nothing_left(system, edge, sample)


def test_an_unknown_file_is_told_which_formats_were_tried(edge: httpx.Client) -> None:
    told = problem(edge.post("/v1/chats", content=b'{"recipes": 1}'), 422)
    assert "tried were" in told["detail"] and "ChatGPT, Claude" in told["detail"] and "WhatsApp" in told["detail"]


def test_an_unknown_format_is_refused_with_those_there_are(edge: httpx.Client, sample: bytes) -> None:
    told = problem(edge.post("/v1/chats", content=sample, params={"format": "icq"}), 422)
    assert "'icq'" in told["detail"] and "chatgpt, claude, claude-code" in told["detail"]


def test_a_file_that_ends_in_the_middle_is_taken_and_then_fails_with_the_place(
    system: System, edge: httpx.Client, sample: bytes
) -> None:
    told = failed(system, edge, sample[: len(sample) // 2], "ends in the middle")
    assert told["failure"]["reason"] == "UNREADABLE"
    assert told["failure"]["place"] == f"byte {len(sample) // 2}"


def test_a_picture_that_is_said_to_be_a_chat_fails(system: System, edge: httpx.Client) -> None:
    failed(system, edge, PNG, "not valid JSON", format="chatgpt")


def linked() -> bytes:
    link = zipfile.ZipInfo("conversations.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return made.getvalue()


def encrypted(sample: bytes) -> bytes:
    made = bytearray(zipped({"conversations.json": sample}))
    made[6] |= 1  # the flag in the member's own header, and in the table of contents
    made[made.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


@pytest.mark.parametrize("kind", ["half", "encrypted", "outside", "link", "bomb", "crowded", "nothing-known"])
def test_a_zip_that_cannot_be_trusted_fails_with_what_to_do(
    system: System, edge: httpx.Client, sample: bytes, kind: str
) -> None:
    whole = {"conversations.json": sample}
    made, words = {
        "half": lambda: (zipped(whole)[:9_000], "damaged or cut off"),
        "encrypted": lambda: (encrypted(sample), "is encrypted"),
        "outside": lambda: (zipped({"../../conversations.json": sample}), "outside its folder"),
        "link": lambda: (linked(), "holds a link"),
        "bomb": lambda: (zipped({"conversations.json": b" " * 20 * MEBIBYTE}), "inflates more than 200 times"),
        "crowded": lambda: (zipped({f"{n}.txt": b"" for n in range(100_000)}, zipfile.ZIP_STORED), "100000 files"),
        "nothing-known": lambda: (zipped({"cat.png": PNG}), "tried were AI Studio, ChatGPT, Claude"),
    }[kind]()
    assert failed(system, edge, made, words)["failure"]["reason"] == "UNREADABLE"


def test_a_chat_among_20_000_files_of_a_zip_is_found(edge: httpx.Client, sample: bytes) -> None:
    crowd = {f"media/{n}.txt": b"" for n in range(19_999)}
    made = zipped(crowd | {"conversations.json": sample}, zipfile.ZIP_STORED)
    assert followed(edge, edge.post("/v1/chats", content=made).json()["chat_id"])["status"] == "done"


def memory(system: System, peak: bool) -> int:
    """Bytes that the processes of the edge hold; the most they held since the last look."""
    held, group = 0, system.running["edge"].pid
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):  # another's, and over
            if os.getpgid(int(process.name)) == group:
                lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
                held += int(lines["VmHWM" if peak else "VmRSS"].split()[0]) * 1024
                (process / "clear_refs").write_text("5")  # forgets the peak
    return held


def test_a_file_over_the_limit_is_cut_off_while_it_streams_in_constant_memory(
    system: System, edge: httpx.Client, sample: bytes
) -> None:
    def endless() -> Iterator[bytes]:
        yield sample
        for _ in range(101):
            yield b" " * MEBIBYTE

    before = memory(system, peak=False)
    told = problem(edge.post("/v1/chats", content=endless()), 413)
    assert told["limit"] == 100 * MEBIBYTE and str(100 * MEBIBYTE) in told["detail"]
    grown = memory(system, peak=True) - before
    assert grown < 50 * MEBIBYTE
    nothing_left(system, edge, sample)


def spoken(system: System, client: httpx.Client, *headers: str) -> socket.socket:
    """A connection on which an upload has begun."""
    bearer = client.headers["Authorization"]
    lines = ("POST /v1/chats HTTP/1.1", "Host: edge", f"Authorization: {bearer}", *headers, "", "")
    connection = socket.create_connection(("127.0.0.1", system.ports["api"]), timeout=PATIENCE)
    connection.sendall("\r\n".join(lines).encode())
    return connection


def test_a_length_over_the_limit_is_refused_before_a_byte_of_the_file_is_sent(
    system: System, edge: httpx.Client
) -> None:
    with spoken(system, edge, f"Content-Length: {200 * MEBIBYTE}") as connection:
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413") and b"connection: close" in answer.lower()


@pytest.mark.parametrize("size", [2_000, 30 * MEBIBYTE], ids=["small", "large"])
def test_an_early_answer_does_not_spoil_the_next_request(edge: httpx.Client, size: int) -> None:
    for _ in range(5):
        problem(edge.post("/v1/chats", content=PNG.ljust(size)), 422)
        assert edge.get("/v1/chats").status_code == 200


@pytest.mark.parametrize("length", ["Content-Length: 50000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("size", [0, 20 * MEBIBYTE], ids=["at-the-head", "after-20-MiB"])
def test_a_caller_who_goes_away_in_the_middle_leaves_nothing(
    system: System, edge: httpx.Client, sample: bytes, length: str, size: int
) -> None:
    content = sample + b" " * size
    with spoken(system, edge, length) as connection:
        connection.sendall(content if "Content" in length else b"%x\r\n%s\r\n" % (len(content), content))
        assert eventually(lambda: files(system, edge)), "the upload does not begin"
    nothing_left(system, edge, sample)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a form",
        b'--X\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--X--\r\n',
        b"--X\r\n" + b"a: b\r\n" * 10_000,
        FILE + b'[{"mapping": {}, "current_node": "',
        FILE + b'[{"mapping": {}, "current_node": "a"}]' + b" " * MEBIBYTE + b"\r\n--Xoops",
        b'--X\r\nContent-Disposition: form-data; name="note"\r\n\r\n' + b"a" * 3 * MEBIBYTE,
    ],
    ids=["empty", "no-form", "no-file", "headers", "cut-off", "cut-off-later", "endless-field"],
)
def test_a_form_that_is_broken_or_holds_no_file_is_refused(
    system: System, edge: httpx.Client, sample: bytes, body: bytes
) -> None:
    assert "send one file" in problem(edge.post("/v1/chats", content=body, headers=FORM), 422)["detail"]
    nothing_left(system, edge, sample)


@pytest.mark.parametrize("kind", ["multipart/form-data", f"multipart/form-data; boundary={'X' * 3000}"])
def test_a_form_without_a_usable_boundary_is_refused(edge: httpx.Client, kind: str) -> None:
    problem(edge.post("/v1/chats", content=FILE, headers={"Content-Type": kind}), 422)


def test_an_upload_sent_again_under_its_key_is_the_same_chat(edge: httpx.Client, sample: bytes) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (edge.post("/v1/chats", content=sample, headers=key).json()["chat_id"] for _ in range(2))
    assert first == again
    assert followed(edge, first)["status"] == "done"
    assert len(edge.get("/v1/chats").json()["chats"]) == 1


def test_a_key_belongs_to_one_person(system: System, edge: httpx.Client, sample: bytes) -> None:
    key = {"Idempotency-Key": "once"}
    with system.client() as other:
        ids = {client.post("/v1/chats", content=sample, headers=key).json()["chat_id"] for client in (edge, other)}
    assert len(ids) == 2


def test_another_file_under_the_same_key_is_refused_and_the_first_stays(edge: httpx.Client, sample: bytes) -> None:
    key = {"Idempotency-Key": "once"}
    chat_id = edge.post("/v1/chats", content=sample, headers=key).json()["chat_id"]
    before = followed(edge, chat_id)
    assert "new key" in problem(edge.post("/v1/chats", content=sample + b"\n", headers=key), 422)["detail"]
    assert problem(edge.post("/v1/chats", content=FILE + sample, headers=key | FORM), 422)
    assert followed(edge, chat_id)["insights"] == before["insights"]


async def test_two_that_remove_the_same_folder_at_once_both_succeed(tmp_path: Path) -> None:
    """The edge and the analysis job remove a deleted chat's files at the same moment."""
    objects = Objects(Settings(objects={"url": tmp_path.as_uri()}))  # type: ignore[arg-type]
    for _ in range(20):
        await asyncio.gather(*(objects.write(f"chats/a/{n}", b"x") for n in range(60)))
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, objects.remove_all("chats/a")) for _ in range(4)))
        assert not any(files for _, _, files in os.walk(tmp_path))


def test_a_retry_does_not_bring_back_a_deleted_chat(system: System, edge: httpx.Client, sample: bytes) -> None:
    key = {"Idempotency-Key": "once"}
    chat_id = edge.post("/v1/chats", content=sample, headers=key).json()["chat_id"]
    followed(edge, chat_id)
    gone = edge.delete(f"/v1/chats/{chat_id}")
    assert edge.get("/v1/chats", params={"after": gone.headers["Soulfra-Position"], "wait": "10s"}).status_code == 200
    assert "deleted" in problem(edge.post("/v1/chats", content=sample, headers=key), 409)["detail"]
    assert eventually(lambda: not files(system, edge))


# Events


def event(**changed: object) -> dict[str, Any]:
    """A good event, and what is to be wrong with it; None leaves an attribute out."""
    usage = {"meter": "tokens.out", "quantity": "1"}
    good = {"specversion": "1.0", "id": "e", "source": "test", "type": "usage.recorded", "data": usage}
    return {name: value for name, value in (good | changed).items() if value is not None}


def used(**changed: object) -> dict[str, Any]:
    return event(data={"meter": "tokens.out", "quantity": "1"} | changed)


WRONG: dict[str, tuple[Any, int, str, str]] = {
    "unknown type": (event(type="chat.exploded"), 422, "callers write usage.recorded", "type"),
    "type of another kind": (event(type=["usage.recorded"]), 422, "is not known", "type"),
    "no type": (event(type=None), 422, "is not known", "type"),
    "trust": (event(type="trust.updated"), 403, "written by: tables", "type"),
    "chat": (event(type="chat.uploaded"), 403, "written by: edge", "type"),
    "no id": (event(id=None), 422, "id: ", "id"),
    "id with a line end": (event(id="a\nb"), 422, "id: it holds a control character", "id"),
    "id of 257 bytes": (event(id="é" * 128 + "a"), 422, "id: it has 1 to 256 bytes", "id"),
    "id with half a character": (event(id="\ud800"), 422, "id: ", "id"),
    "id a number": (event(id=7), 422, "id: ", "id"),
    "no source": (event(source=None), 422, "source: ", "source"),
    "our own source": (event(source="soulfra/edge"), 403, "name your own", "source"),
    "source with a blank": (event(source="a b"), 422, "source is a URI reference", "source"),
    "source of 257 bytes": (event(source="a" * 257), 422, "source: ", "source"),
    "empty source": (event(source=""), 422, "source: ", "source"),
    "no specversion": (event(specversion=None), 422, "specversion is '1.0'", "specversion"),
    "old specversion": (event(specversion="0.3"), 422, "specversion is '1.0'", "specversion"),
    "an extension that is a list": (event(colour=["red"]), 422, "put the rest into data", "colour"),
    "an extension of ours": (event(tenant="other"), 422, "set by Soulfra alone", "tenant"),
    "half a character": (event(**{"\ud800": 1}), 422, "put it into data", "\ud800"),
    "binary data": (event(data=None, data_base64="e30="), 422, "as a JSON object in data", "data_base64"),
    "data of another type": (event(datacontenttype="text/plain"), 415, "application/json", "datacontenttype"),
    "a meter of the system": (used(meter="analyses.done"), 403, "written by soulfra itself", "data.meter"),
    "no data": (event(data=None), 422, "data is an object", "data"),
    "data a list": (event(data=[]), 422, "data is an object", "data"),
    "the envelope in the data": (used(user="u_other"), 422, "data is an object", "data"),
    "no meter": (event(data={"quantity": "1"}), 422, "meter: ", "data.meter"),
    "meter a number": (used(meter=4), 422, "meter: ", "data.meter"),
    "meter with half a character": (used(meter="\udc00"), 422, "meter: ", "data.meter"),
    "no quantity": (event(data={"meter": "tokens.out"}), 422, "quantity: ", "data.quantity"),
    "quantity a list": (used(quantity=[1]), 422, "quantity: ", "data.quantity"),
    "quantity true": (used(quantity=True), 422, "quantity: ", "data.quantity"),
    "quantity with an exponent": (used(quantity="1e5"), 422, "quantity: ", "data.quantity"),
    "quantity of 20 digits": (used(quantity="1" * 20), 422, "quantity: ", "data.quantity"),
    "quantity a number of 20 digits": (used(quantity=int("1" * 20)), 422, "quantity: ", "data.quantity"),
    "quantity of 10 decimals": (used(quantity="0.0000000001"), 422, "quantity: ", "data.quantity"),
    "occurred_at a number": (used(occurred_at=1767225600), 422, "is a text such as", "data.occurred_at"),
    "quantity NaN as text": (used(quantity="NaN"), 422, "quantity: ", "data.quantity"),
    "quantity Infinity as text": (used(quantity="Infinity"), 422, "quantity: ", "data.quantity"),
    "a field too many": (used(colour="red"), 422, "colour: ", "data.colour"),
    "year 9999": (event(time="9999-12-31T23:59:59-23:59"), 422, "in the future", "time"),
    "year 1990": (event(time="1990-01-01T00:00:00Z"), 422, "before the year 2000", "time"),
    "year 1": (event(time="0001-01-01T00:00:00+23:59"), 422, "before the year 2000", "time"),
    "no zone": (event(time="2026-01-01T00:00:00"), 422, "time: ", "time"),
    "no time of that name": (event(time="yesterday"), 422, "RFC 3339", "time"),
    "time a number": (event(time=1767225600), 422, "RFC 3339", "time"),
    "time false": (event(time=False), 422, "RFC 3339", "time"),
    "used in the future": (used(occurred_at="2999-01-01T00:00:00Z"), 422, "in the future", "time"),
    "subject a list": (event(subject=[]), 422, "as text", "subject"),
    "subject with a slash": (event(subject="main/other"), 422, "user: ", "user"),
    "no object": ("usage.recorded", 422, "an event is a JSON object", ""),
}


def only(client: httpx.Client, n: int) -> bool:
    """Whether exactly so many events were counted, as seen from behind all that was sent."""
    position = client.post("/v1/events", json=event(id="behind", data={"meter": "last", "quantity": "1"}))
    asked = {"after": position.headers["Soulfra-Position"], "wait": "10s"}
    meters = client.get("/v1/users/me/usage", params=asked).json()["meters"]
    return {meter["meter"]: meter["events"] for meter in meters} == {"last": 1} | ({"tokens.out": n} if n else {})


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_event_is_refused_with_why_and_where(writer: httpx.Client, name: str) -> None:
    sent, status, words, place = WRONG[name]
    told = problem(writer.post("/v1/events", content=json.dumps(sent)), status)
    assert words in told["detail"] and told["place"] == place, told


def test_wrong_events_in_a_batch_get_a_verdict_each_in_order_and_leave_no_trace(writer: httpx.Client) -> None:
    sent = [wrong for wrong, *_ in WRONG.values()]
    answer = writer.post("/v1/events", content=json.dumps(sent))
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["rejected"]) == (422, 0, len(sent))
    assert [verdict["code"] for verdict in told["verdicts"]] == [status for _, status, *_ in WRONG.values()]
    assert all(verdict["place"].startswith(f"events[{n}]") for n, verdict in enumerate(told["verdicts"]))
    assert only(writer, 0)


def test_the_verdicts_of_a_mixed_batch_add_up_and_keep_their_order(writer: httpx.Client) -> None:
    sent = [event(id=f"e{n}", **({} if n % 3 else {"type": "chat.exploded"})) for n in range(30)]
    answer = writer.post("/v1/events", json=sent, headers={"Content-Type": "application/cloudevents-batch+json"})
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["rejected"]) == (202, 20, 10)
    assert [verdict["id"] for verdict in told["verdicts"]] == [one["id"] for one in sent]
    assert [verdict["status"] for verdict in told["verdicts"]] == ["rejected", "accepted", "accepted"] * 10
    assert answer.headers["Soulfra-Position"] in {verdict.get("position") for verdict in told["verdicts"]}
    assert only(writer, 20)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"specversion: 1.0", "not JSON"),
        (b'"\xff"', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"data":' * 100_000, "nested too deeply"),
        (json.dumps(used(quantity=float("nan"))).encode(), "NaN is not a number"),
        (json.dumps(used(quantity=float("-inf"))).encode(), "-Infinity is not a number"),
        (json.dumps(used(quantity="?")).encode().replace(b'"?"', b"1e99999999999999999999"), "too large"),
        (json.dumps(used(quantity="?")).encode().replace(b'"?"', b"9" * 5_000), "not JSON"),
    ],
    ids=["empty", "yaml", "bytes", "deep-lists", "deep-objects", "nan", "infinity", "exponent", "digits"],
)
def test_a_body_that_is_no_json_is_refused(writer: httpx.Client, body: bytes, words: str) -> None:
    assert words in problem(writer.post("/v1/events", content=body), 400)["detail"]


@pytest.mark.parametrize("size", [0, 1_001])
def test_a_batch_holds_1_to_1000_events(writer: httpx.Client, size: int) -> None:
    sent = [event(id=f"e{n}") for n in range(size)]
    assert "1 to 1000 events" in problem(writer.post("/v1/events", json=sent), 422)["detail"]
    assert only(writer, 0)


def test_a_batch_must_be_a_list(writer: httpx.Client) -> None:
    kind = {"Content-Type": "application/cloudevents-batch+json"}
    assert "JSON array" in problem(writer.post("/v1/events", json=event(), headers=kind), 422)["detail"]


def test_a_post_of_events_has_at_most_4_mib(writer: httpx.Client) -> None:
    body = json.dumps([event()]).encode().ljust(4 * MEBIBYTE + 1)
    assert "smaller batches" in problem(writer.post("/v1/events", content=body), 413)["detail"]
    assert writer.post("/v1/events", content=body[:-1]).status_code == 202


def test_an_event_may_come_in_headers_in_an_envelope_or_in_a_batch(writer: httpx.Client) -> None:
    data = {"meter": "tokens.out", "quantity": 0.0000001}
    headers = {f"ce-{name}": value for name, value in event(id="in-headers", data=None).items()}
    answers = [
        writer.post("/v1/events", json=data, headers=headers),
        writer.post("/v1/events", json=event(), headers={"Content-Type": "application/cloudevents+json"}),
        writer.post("/v1/events", json=[event(id="in-a-batch")]),
    ]
    assert [answer.status_code for answer in answers] == [202] * 3, [answer.text for answer in answers]
    assert only(writer, 3)
    meters = {meter["meter"]: meter["quantity"] for meter in writer.get("/v1/users/me/usage").json()["meters"]}
    assert meters["tokens.out"] == "2.0000001"


def test_nobody_takes_their_own_usage_back(edge: httpx.Client, writer: httpx.Client) -> None:
    taken_back = used(quantity="-1")
    assert "events:write" in problem(edge.post("/v1/events", json=taken_back), 403)["detail"]
    assert writer.post("/v1/events", json=taken_back).status_code == 202


def test_another_subject_needs_the_scope_for_it(edge: httpx.Client, writer: httpx.Client) -> None:
    about = event(subject=user(edge))
    with httpx.Client(base_url=edge.base_url, headers=edge.headers) as same:
        assert same.post("/v1/events", json=about).status_code == 202  # one's own needs none
    told = problem(edge.post("/v1/events", json=event(subject=user(writer))), 403)
    assert "events:write" in told["detail"] and told["place"] == "subject"
    assert problem(edge.get("/v1/events/e", params={"source": "test", "subject": user(writer)}), 403)
    assert writer.post("/v1/events", json=about | {"id": "by-another"}).status_code == 202
    assert only(writer, 0)


def test_a_trace_goes_along_with_an_event_and_other_text_in_its_place_does_not(
    system: System, writer: httpx.Client
) -> None:
    for n, trace in enumerate((TRACE, "my diary, volume one")):
        assert writer.post("/v1/events", json=event(id=f"{n}"), headers={"traceparent": trace}).status_code == 202
    said = b"".join(path.read_bytes() for path in (system.folder / "kafka").rglob("usage.recorded-*/*.log"))
    assert TRACE.encode() in said and b"my diary" not in said


# Tokens


def signed(
    system: System, key: Ed25519PrivateKey | None = None, kid: str = "", typ: str = "at+jwt", **changed: object
) -> str:
    """A token of the built-in issuer, but for what is changed; None leaves a claim out."""
    own = Ed25519PrivateKey.from_private_bytes((system.settings.keys_folder / "signing").read_bytes())
    known = str(public_keys(system.settings)["keys"][0]["kid"])
    good = {"iss": "soulfra", "aud": "soulfra", "sub": "u_forged", "scope": "chats", "exp": int(time.time()) + 60}
    claims = {name: value for name, value in (good | changed).items() if value is not None}
    return jwt.encode(claims, key or own, "EdDSA", headers={"kid": kid or known, "typ": typ})


def handmade(system: System, algorithm: str) -> str:
    """What a library would refuse to make: no signature, or the public key as a shared secret."""

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    own = Ed25519PrivateKey.from_private_bytes((system.settings.keys_folder / "signing").read_bytes())
    public = own.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header, claims, _ = signed(system).split(".")
    kid = jwt.get_unverified_header(signed(system))["kid"]
    header = part(json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": kid}).encode())
    digest = hmac.new(public, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    return f"{header}.{claims}.{part(digest) if algorithm != 'none' else ''}"


def test_a_good_token_made_by_hand_is_taken(system: System, edge: httpx.Client) -> None:
    answer = edge.get("/v1/chats", headers={"Authorization": f"Bearer {signed(system)}"})
    assert answer.status_code == 200, answer.text


FORGED: dict[str, tuple[Any, str]] = {
    "garbage": (lambda system: "garbage", "cannot be accepted"),
    "half a token": (lambda system: signed(system)[:-40], "cannot be accepted"),
    "deeply nested": (lambda system: f"{'W1tb' * 1_500}.e30.e30", "cannot be accepted"),
    "too long": (lambda system: signed(system, sub="u" * 9_000), "too long"),
    "expired": (lambda system: signed(system, exp=int(time.time()) - 3600), "expired"),
    "wrong key": (lambda system: signed(system, Ed25519PrivateKey.generate()), "cannot be accepted"),
    "unknown key": (lambda system: signed(system, kid="another"), "its key is not known"),
    "algorithm none": (lambda system: handmade(system, "none"), "algorithm is not allowed"),
    "public key as secret": (lambda system: handmade(system, "HS256"), "algorithm is not allowed"),
    "wrong audience": (lambda system: signed(system, aud="another"), "cannot be accepted"),
    "wrong issuer": (lambda system: signed(system, iss="another"), "cannot be accepted"),
    "no expiry": (lambda system: signed(system, exp=None), "cannot be accepted"),
    "expiry no number": (lambda system: signed(system, exp="soon"), "cannot be accepted"),
    "another type": (lambda system: signed(system, typ="JWT"), "not that of an access token"),
    "no subject": (lambda system: signed(system, sub=None), "cannot be accepted"),
    "subject a path": (lambda system: signed(system, sub="../../keys"), "its subject"),
    "tenant a path": (lambda system: signed(system, tenant="main/u_other"), "its tenant"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_token_that_is_not_ours_opens_nothing(system: System, edge: httpx.Client, sample: bytes, name: str) -> None:
    make, words = FORGED[name]
    headers = {"Authorization": f"Bearer {make(system)}"}
    for method, path in (("GET", "/v1/chats"), ("POST", "/v1/chats"), ("POST", "/v1/events"), ("GET", "/v1/users/me")):
        answer = edge.request(method, path, headers=headers, content=sample if method == "POST" else None)
        assert words in problem(answer, 401)["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["", "Bearer", "Basic dTpw"])
def test_without_a_token_the_answer_says_where_to_get_one(edge: httpx.Client, given: str) -> None:
    with httpx.Client(base_url=edge.base_url) as nobody:
        answer = nobody.get("/v1/chats", headers={"Authorization": given} if given else {})
        assert "make run" in problem(answer, 401)["detail"]


def test_registering_people_needs_the_scope_for_it(edge: httpx.Client) -> None:
    assert "users:write" in problem(edge.post("/v1/users", json={}), 403)["detail"]


@pytest.mark.parametrize("served", [None, "<html>", "[1]", "{}", '{"keys": [1]}', '{"keys": [{"kty": "RSA"}]}'])
async def test_an_issuer_that_is_away_says_nothing_about_a_token(
    system: System, tmp_path: Path, served: str | None
) -> None:
    keys = tmp_path / "jwks.json"
    if served is not None:
        keys.write_text(served)
    auth = system.settings.auth.model_copy(update={"jwks": str(keys)})
    verifier = Verifier(system.settings.model_copy(update={"auth": auth}))
    for _ in range(2):
        with pytest.raises(Problem, match="public keys cannot be read") as away:
            await verifier.principal(signed(system))
        assert away.value.status == 503


# Questions


@pytest.mark.parametrize(
    "asked", [{"after": "here"}, {"after": "usage.recorded/1@-1"}, {"wait": "soon"}, {"wait": "5"}, {"wait": "-1s"}]
)
@pytest.mark.parametrize("path", ["/v1/chats", "/v1/chats/c_1", "/v1/users/me/usage", "/v1/agents"])
def test_a_question_that_cannot_be_read_is_refused(edge: httpx.Client, path: str, asked: dict[str, str]) -> None:
    problem(edge.get(path, params=asked), 400)


def test_a_position_of_another_person_is_refused(system: System, edge: httpx.Client) -> None:
    partitions = system.settings.kafka.partitions
    other = (partition_of(f"main/{user(edge)}", partitions) + 1) % partitions
    told = problem(edge.get("/v1/chats", params={"after": f"chat.uploaded/{other}@0"}), 400)
    assert "another person's" in told["detail"]


def test_a_position_far_ahead_is_answered_with_the_distance(system: System, edge: httpx.Client) -> None:
    own = partition_of(f"main/{user(edge)}", system.settings.kafka.partitions)
    asked = {"after": f"chat.uploaded/{own}@{10**12}", "wait": "100ms"}
    told = problem(edge.get("/v1/chats", params=asked), 412)
    assert 10**11 < told["distance"] <= 10**12 + 1 and str(told["distance"]) in told["detail"]


@pytest.mark.parametrize("path", ["", "/progress", "/report.html", "/report.json"])
def test_a_chat_that_is_not_there_is_not_found(edge: httpx.Client, path: str) -> None:
    problem(edge.get(f"/v1/chats/c_nothing{path}"), 404)


def test_deleting_what_is_not_there_is_not_found(edge: httpx.Client) -> None:
    problem(edge.delete("/v1/chats/c_nothing"), 404)


def test_a_path_that_is_not_there_says_where_the_list_is(edge: httpx.Client) -> None:
    assert "/openapi.json" in problem(edge.get("/v2/everything"), 404)["detail"]


def test_a_method_that_is_not_possible_says_which_is(edge: httpx.Client) -> None:
    answer = edge.patch("/v1/events")
    assert "POST" in problem(answer, 405)["detail"] and answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    ["/v1/events/e", "/v1/users/me/usage?from=monday", "/v1/users/me/usage?window=century", "/v1/chats/c?until=dawn"],
)
def test_a_parameter_that_is_wrong_is_named(edge: httpx.Client, path: str) -> None:
    assert problem(edge.get(path), 422)["errors"][0]["place"].startswith("query.")


@pytest.mark.parametrize("body", [b"{", b'{"standing": "KING"}', b'{"\\ud800": 1}', b'{"name": "Ada"}', b"[]"])
def test_a_person_that_cannot_be_read_is_not_registered(system: System, body: bytes) -> None:
    with system.client(("users:write",)) as operator:
        headers = {"Content-Type": "application/json"}
        assert problem(operator.post("/v1/users", content=body, headers=headers), 422)["errors"]


@pytest.mark.parametrize("path", ["/v1/users", "/subjects/any"])
def test_a_body_larger_than_any_real_one_is_cut_off(edge: httpx.Client, path: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    answer = edge.post(path, content=endless(), headers={"Content-Type": "application/json"})
    assert "send less" in problem(answer, 413)["detail"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"schema": 1}', b'{"schema": "{"}'])
def test_a_contract_that_cannot_be_read_is_told_so_as_a_registry_does(edge: httpx.Client, body: bytes) -> None:
    answer = edge.post("/subjects/usage.recorded-value", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)


# Documents


def test_openapi_is_served_and_names_the_body_of_each_event(edge: httpx.Client) -> None:
    told = edge.get("/openapi.json").json()
    assert told["openapi"].startswith("3.1.")
    bodies = told["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    one = bodies["application/cloudevents+json"]["schema"]["properties"]
    assert one["type"]["enum"] == ["usage.recorded"]
    assert [set(body["properties"]) for body in one["data"]["oneOf"]] == [{"meter", "quantity", "occurred_at"}]
    assert "application/cloudevents-batch+json" in bodies
    assert "multipart/form-data" in told["paths"]["/v1/chats"]["post"]["requestBody"]["content"]


def test_asyncapi_lists_every_topic_with_its_events(edge: httpx.Client) -> None:
    told = edge.get("/asyncapi.json").json()
    assert told["asyncapi"].startswith("3.")
    listed = {channel["address"]: set(channel["messages"]) for channel in told["channels"].values()}
    assert listed == {topic.name: {event.__name__ for event in topic.events} for topic in TOPICS}
