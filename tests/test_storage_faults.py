"""The journey while the storage goes away and analyses get stuck: nothing accepted is lost or deleted, and chats say why
they wait."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cli.bench import exports
from streams.analysts import YIELDS
from tests.conftest import PATIENCE, System, eventually
from tests.log import records
from tests.s3 import S3

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


def uploaded(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/v1/chats", content=content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["chat_id"])


def followed(client: httpx.Client, chat_id: str, until: str = "agent", after: str = "") -> dict[str, Any]:
    query = {"until": until, "wait": "30s"} | ({"after": after} if after else {})
    row: dict[str, Any] = {}

    def reached() -> bool:
        row.update(client.get(f"/v1/chats/{chat_id}", params=query).json())
        return bool(row.get("reached"))

    assert eventually(reached), row
    return row


def used(client: httpx.Client) -> dict[str, str]:
    return {meter["meter"]: meter["quantity"] for meter in client.get("/v1/users/me/usage").json()["meters"]}


def published(system: System, chat_id: str, kind: str) -> list[str]:
    """Ids of a chat's events of a type on their topic, each once, in order."""
    topic = "chat.uploaded" if kind == "analysis.requested" else "analysis.done"
    ids: dict[str, None] = {}
    for message in records(system, topic):
        headers = dict(message.headers() or [])
        if headers["ce_type"] == kind.encode() and chat_id.encode() in message.value():
            ids[headers["ce_id"].decode()] = None
    return list(ids)


@contextmanager
def set_anew(system: System, *parts: str, **settings: str) -> Iterator[None]:
    """Parts that run with other settings for a while."""
    begun_anew(system, *parts, **settings)
    try:
        yield
    finally:
        begun_anew(system, *parts)


def begun_anew(system: System, *parts: str, **settings: str) -> None:
    for part in parts:
        system.kill(part, signal.SIGTERM)
        system.begin(part, **settings)
    for part in parts:
        system.ready(part)


def stop_half_way(system: System, chat_id: str) -> None:
    """Stops the processes that read a large file, once they show progress."""

    def reading() -> bool:
        key: Any = next(system.redis.scan_iter(match=f"*:progress:{chat_id}"), None)
        steps: Any = system.redis.xrevrange(key, count=1) if key else None
        return bool(steps) and float(steps[0][1][b"share"]) > 0

    assert eventually(reading, 120, 0.005)
    for child in psutil.Process(system.running["analysis"].pid).children():
        if child.nice() >= YIELDS:
            child.send_signal(signal.SIGSTOP)


def test_a_stuck_analysis_ends_alone_and_its_chat_can_be_analysed_again(
    system: System, sample: bytes, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    exports.write(large, "whatsapp", 25_000_000)
    log = system.folder / "analysis.log"
    with system.client() as client, system.client() as other:
        with set_anew(system, "analysis", SOULFRA_WORKER__ANALYSIS_SECONDS="30"):
            before = log.stat().st_size
            chat_id = uploaded(client, large.read_bytes())
            stop_half_way(system, chat_id)
            for _ in range(3):
                assert followed(other, uploaded(other, sample))["status"] == "done"
            row = followed(client, chat_id, "analysis")
            assert (row["status"], row["failure"]["reason"]) == ("failed", "TOO_SLOW"), row
            assert "an analysing process died" not in log.read_bytes()[before:].decode(), "a neighbour was killed"
        assert [path for path in system.folder.rglob("upload") if chat_id in str(path)], "the upload was deleted"
        with ThreadPoolExecutor(4) as requests:
            answers = list(requests.map(lambda _: client.post(f"/v1/chats/{chat_id}/analyse"), range(4)))
        assert {(answer.status_code, answer.json()["attempt"]) for answer in answers} == {(202, 2)}
        row = followed(client, chat_id, after=answers[0].headers["Soulfra-Position"])
        assert (row["status"], row["attempts"], "failure" in row) == ("done", 2, False)
        assert len(published(system, chat_id, "analysis.requested")) == 1
        assert eventually(lambda: used(client).get("analyses.done") == "1"), used(client)


def test_a_done_chat_is_analysed_again_and_neither_trust_nor_usage_moves(system: System, sample: bytes) -> None:
    with system.client() as client:
        chat_id = uploaded(client, sample)
        first = followed(client, chat_id)
        key = {"Idempotency-Key": "once"}
        again = client.post(f"/v1/chats/{chat_id}/analyse", headers=key)
        assert (again.status_code, again.json()["attempt"]) == (202, 2)
        second = followed(client, chat_id, after=again.headers["Soulfra-Position"])
        repeated = client.post(f"/v1/chats/{chat_id}/analyse", headers=key)
        assert repeated.json()["attempt"] == 2, "a retry of the request is another attempt"
        assert (second["insights"], second["trust"]) == (first["insights"], first["trust"])
        assert len(client.get("/v1/users/me/trust/history").json()["moves"]) == 1
        assert len(published(system, chat_id, "analysis.done")) == 2
        for _ in range(2):  # behind another upload, so that all usage of the first is counted
            followed(client, uploaded(client, sample))
        assert eventually(lambda: used(client).get("analyses.done") == "3"), used(client)


def test_only_ones_own_chat_that_is_there_can_be_analysed_again(system: System, sample: bytes) -> None:
    with system.client() as client, system.client() as other:
        chat_id = uploaded(client, sample)
        followed(client, chat_id)
        assert other.post(f"/v1/chats/{chat_id}/analyse").status_code == 404
        gone = client.delete(f"/v1/chats/{chat_id}")
        after = {"after": gone.headers["Soulfra-Position"], "wait": "10s"}
        assert client.get("/v1/chats", params=after).json()["chats"] == []
        assert client.post(f"/v1/chats/{chat_id}/analyse").status_code == 404


def test_the_command_line_analyses_a_failed_chat_again(system: System, sample: bytes) -> None:
    token = (system.folder / "dev-token").read_text().strip()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{system.ports['api']}", headers={"Authorization": f"Bearer {token}"}, timeout=60
    ) as client:
        chat_id = uploaded(client, sample[: len(sample) // 2])
        assert followed(client, chat_id)["status"] == "failed"
        [file] = [path for path in (system.folder / "objects").rglob("upload") if chat_id in str(path)]
        file.write_bytes(sample)
        assert "Trust" in system.run("chats", "retry", chat_id)
        assert client.get(f"/v1/chats/{chat_id}").json()["attempts"] == 2


def away_and_back(client: httpx.Client, system: System, sample: bytes, go: Any, come_back: Any) -> None:
    """An upload meets an outage before it is analysed."""
    done = uploaded(client, sample)
    followed(client, done)
    system.kill("analysis")
    chat_id = uploaded(client, sample)
    go()
    refused = client.post("/v1/chats", content=sample)
    assert refused.status_code == 503 and refused.headers["Retry-After"], refused.text
    assert "nothing was accepted" in refused.json()["detail"]
    assert client.get(f"/v1/chats/{done}/report.json").status_code == 503
    system.begin("analysis", **{name: os.environ[name] for name in os.environ if name.startswith("AWS_")})
    system.ready("analysis")

    def waiting() -> Any:
        return client.get(f"/v1/chats/{chat_id}").json().get("waiting")

    assert eventually(waiting)
    row = client.get(f"/v1/chats/{chat_id}").json()
    assert row["status"] == "received" and "storage" in row["waiting"]["reason"] and row["waiting"]["since"], row
    assert httpx.get(f"http://127.0.0.1:{system.ports['analysis']}/healthz").status_code == 200
    worker = system.running["analysis"]
    system.kill("analysis", signal.SIGTERM)
    assert worker.returncode == 0, "what waits for the storage holds up a stop"
    system.restart("analysis")
    come_back()
    row = followed(client, chat_id)
    assert row["status"] == "done" and "waiting" not in row
    assert len(client.get("/v1/chats").json()["chats"]) == 2
    assert not [message for message in records(system, "chat.uploaded.dlq") if message.key() == key_of(client)]


def key_of(client: httpx.Client) -> bytes:
    return f"main/{client.user}".encode()  # type: ignore[attr-defined]


def test_while_the_folder_is_away_chats_wait_and_say_why_and_nothing_is_accepted(system: System, sample: bytes) -> None:
    folder = system.folder / "objects"
    away = folder.with_name("objects-away")
    with system.client() as client:
        away_and_back(client, system, sample, lambda: folder.rename(away), lambda: away.rename(folder))


def test_while_s3_is_away_chats_wait_and_say_why_and_nothing_is_accepted(
    system: System, sample: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = S3()
    s3.start()
    try:
        with monkeypatch.context() as environment:
            for name, value in s3.environment.items():
                environment.setenv(name, value)
            begun_anew(system, "edge", "analysis")
            with system.client() as client:
                away_and_back(client, system, sample, s3.stop, s3.start)
                assert not s3.unfinished
    finally:
        s3.stop()
        begun_anew(system, "edge", "analysis")


def test_an_edge_that_is_killed_during_an_upload_leaves_nothing_for_long(system: System, sample: bytes) -> None:
    with system.client() as client:
        folder = system.folder / "objects" / "chats" / "main" / client.user  # type: ignore[attr-defined]
        lines = ("POST /v1/chats HTTP/1.1", "Host: edge", f"Authorization: {client.headers['Authorization']}",
                 "Content-Length: 90000000", "", "")  # fmt: skip
        with socket.create_connection(("127.0.0.1", system.ports["api"]), timeout=PATIENCE) as connection:
            connection.sendall("\r\n".join(lines).encode() + sample + b" " * 12_000_000)
            assert eventually(lambda: list(folder.rglob("upload#*")))
            system.kill("edge")
        assert list(folder.rglob("upload#*")), "a killed process leaves what it began to store"
        system.begin("edge", SOULFRA_OBJECTS__UNFINISHED_SECONDS="1")
        system.ready("edge")
        assert eventually(lambda: not folder.exists()), list(folder.rglob("*"))
        system.kill("edge")
        system.restart("edge")
