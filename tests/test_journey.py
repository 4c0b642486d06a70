"""The journey on the real broker: an export goes in; insight, trust and a suggested agent come out."""

from __future__ import annotations

import json
import os

import httpx
import pytest

from tests.conftest import System, eventually

pytestmark = pytest.mark.kafka


def uploaded(client: httpx.Client, export: bytes, **headers: str) -> str:
    answer = client.post("/v1/chats", content=export, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["chat_id"])


def finished(client: httpx.Client, chat_id: str) -> dict[str, object]:
    told = client.get(f"/v1/chats/{chat_id}", params={"until": "agent", "wait": "30s"}).json()
    assert told["reached"], told
    return told


def test_an_upload_becomes_insight_trust_and_a_suggested_agent(edge: httpx.Client, sample: bytes) -> None:
    chat = finished(edge, uploaded(edge, sample))
    assert (chat["status"], chat["format"]) == ("done", "chatgpt")
    assert len(chat["insights"]) >= 6
    assert all(insight["evidence"] for insight in chat["insights"])
    assert sum(reason["points"] for reason in chat["trust"]["reasons"]) == chat["trust"]["new"] - chat["trust"]["old"]
    assert len(chat["agents"]) == 1
    assert set(chat["positions"]) == {"chat.uploaded", "analysis.done", "trust.updated", "agent.suggested"}


def test_every_step_of_an_upload_is_metered_once(edge: httpx.Client, sample: bytes) -> None:
    finished(edge, uploaded(edge, sample))

    def used() -> dict[str, str]:
        return {meter["meter"]: meter["quantity"] for meter in edge.get("/v1/users/me/usage").json()["meters"]}

    wanted = {"bytes.ingested": str(len(sample)), "analyses.done": "1", "agents.suggested": "1"}
    assert eventually(lambda: used() == wanted), used()


def test_a_form_and_a_raw_body_give_the_same_result(edge: httpx.Client, sample: bytes) -> None:
    form = edge.post("/v1/chats", files={"file": ("conversations.json", sample, "application/json")})
    raw = uploaded(edge, sample, **{"Content-Disposition": 'attachment; filename="conversations.json"'})
    one, two = finished(edge, form.json()["chat_id"]), finished(edge, raw)
    assert one["insights"] == two["insights"]


def test_the_same_chat_again_gives_no_trust(edge: httpx.Client, sample: bytes) -> None:
    first, second = finished(edge, uploaded(edge, sample)), finished(edge, uploaded(edge, sample))
    assert first["trust"]["new"] > first["trust"]["old"]
    assert [reason["code"] for reason in second["trust"]["reasons"]] == ["repeated"]
    assert len(edge.get("/v1/users/me/trust/history").json()["moves"]) == 1


def test_the_report_is_a_page_without_scripts_and_the_same_numbers_as_data(edge: httpx.Client, sample: bytes) -> None:
    chat_id = uploaded(edge, sample)
    finished(edge, chat_id)
    page, told = edge.get(f"/v1/chats/{chat_id}/report.html"), edge.get(f"/v1/chats/{chat_id}/report.json").json()
    assert page.headers["content-type"].startswith("text/html") and "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "analysis.done/" in page.headers["Soulfra-Position"] and int(page.headers["Age"]) >= 0
    assert str(told["visible"]) in page.text and told["insights"][0]["title"] in page.text


def test_a_write_is_read_with_its_position(system: System) -> None:
    with system.client(("chats", "events:write")) as client:
        event = {"specversion": "1.0", "id": "e1", "source": "test", "type": "usage.recorded",
                 "data": {"meter": "tokens.out", "quantity": "0.1"}}  # fmt: skip
        told = client.post("/v1/events", json=event)
        assert told.status_code == 202
        position = told.headers["Soulfra-Position"]
        read = client.get("/v1/users/me/usage", params={"after": position, "wait": "10s"})
        assert read.json()["meters"] == [{"meter": "tokens.out", "quantity": "0.1", "events": 1}]
        assert position.split("@")[0] in read.headers["Soulfra-Position"] and int(read.headers["Age"]) >= 0


def test_an_event_sent_twice_is_counted_once_and_another_payload_is_a_conflict(system: System) -> None:
    with system.client(("events:write",)) as client:

        def send(quantity: str) -> str:
            event = {"specversion": "1.0", "id": "same", "source": "test", "type": "usage.recorded",
                     "time": "2026-11-01T12:00:00Z", "data": {"meter": "tokens.in", "quantity": quantity}}  # fmt: skip
            return str(client.post("/v1/events", json=event).headers["Soulfra-Position"])

        sent = {
            verdict: send(quantity) for verdict, quantity in (("counted", "2"), ("duplicate", "2"), ("conflict", "3"))
        }
        for verdict, position in sent.items():
            asked = {"source": "test", "after": position, "wait": "10s"}
            assert client.get("/v1/events/same", params=asked).json()["verdict"] == verdict
        assert client.get("/v1/users/me/usage").json()["meters"][0]["quantity"] == "2"


def test_a_retry_without_a_time_of_its_own_is_a_duplicate(system: System) -> None:
    with system.client(("events:write",)) as client:
        event = {"specversion": "1.0", "id": "again", "source": "test", "type": "usage.recorded",
                 "data": {"meter": "calls", "quantity": "1"}}  # fmt: skip
        positions = [client.post("/v1/events", json=event).headers["Soulfra-Position"] for _ in range(2)]
        asked = {"source": "test", "after": positions[1], "wait": "10s"}
        assert client.get("/v1/events/again", params=asked).json()["verdict"] == "duplicate"


def test_a_position_of_an_indirect_topic_names_the_right_call(edge: httpx.Client, sample: bytes) -> None:
    position = edge.post("/v1/chats", content=sample).headers["Soulfra-Position"]
    answer = edge.get("/v1/users/me/trust", params={"after": position})
    assert answer.status_code == 400 and "until=" in answer.json()["detail"]


def test_a_deleted_chat_leaves_no_file_no_result_and_no_row(system: System, edge: httpx.Client, sample: bytes) -> None:
    chat_id = uploaded(edge, sample)
    finished(edge, chat_id)
    gone = edge.delete(f"/v1/chats/{chat_id}")
    assert gone.status_code == 204
    asked = {"after": gone.headers["Soulfra-Position"], "wait": "10s"}
    assert edge.get("/v1/chats", params=asked).json()["chats"] == []
    assert edge.get(f"/v1/chats/{chat_id}").status_code == 404
    left = lambda: [folder for folder, _, files in os.walk(system.folder) if chat_id in folder and files]  # noqa: E731
    assert eventually(lambda: not left()), left()


def test_another_person_sees_nothing(system: System, edge: httpx.Client, sample: bytes) -> None:
    chat_id = uploaded(edge, sample)
    finished(edge, chat_id)
    with system.client() as other:
        paths = ["", "/progress", "/report.html", "/report.json"]
        answers = [other.get(f"/v1/chats/{chat_id}{path}") for path in paths] + [other.delete(f"/v1/chats/{chat_id}")]
        answers += [other.get(f"/v1/users/{edge.user}{path}") for path in ("", "/trust", "/usage")]  # type: ignore[attr-defined]
        assert [answer.status_code for answer in answers] == [404] * len(answers)


def test_progress_is_told_and_ends_by_itself(edge: httpx.Client, sample: bytes) -> None:
    chat_id = uploaded(edge, sample)
    finished(edge, chat_id)
    with edge.stream("GET", f"/v1/chats/{chat_id}/progress") as stream:
        steps = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert steps[-1] == {"stage": "done", "share": 1.0}


def test_a_new_person_starts_with_the_prior_of_their_standing(system: System) -> None:
    with system.client(("users:write",)) as operator:
        new = operator.post("/v1/users", json={"standing": "IDENTITY"}).json()
    with system.client(user=new["user_id"]) as person:
        asked = {"after": new["position"], "wait": "10s"}
        assert person.get("/v1/users/me/trust", params=asked).json()["score"] == 60
        assert person.get("/v1/users/me", params=asked).json()["standing"] == "IDENTITY"


def test_anyone_may_register_themselves_and_only_themselves(edge: httpx.Client) -> None:
    told = edge.post("/v1/users", json={"me": True})
    assert told.status_code == 202 and told.json()["user_id"] == edge.user  # type: ignore[attr-defined]
    asked = {"after": told.headers["Soulfra-Position"], "wait": "10s"}
    assert edge.get("/v1/users/me", params=asked).json()["standing"] == "ANONYMOUS"
    for more in ({}, {"me": True, "standing": "IDENTITY"}):
        assert edge.post("/v1/users", json=more).status_code == 403


def test_nothing_of_a_chat_is_in_the_raw_log(system: System, edge: httpx.Client) -> None:
    canary = "kanarienvogel-4711"
    export = json.dumps([{"uuid": "u", "name": canary, "chat_messages": [
        {"uuid": f"m{n}", "sender": sender, "text": f"{canary} says hello", "created_at": "2026-01-01T00:00:00Z"}
        for n, sender in enumerate(("human", "assistant"))]}]).encode()  # fmt: skip
    finished(edge, uploaded(edge, export, **{"Content-Disposition": f'attachment; filename="{canary}.json"'}))
    segments = list((system.folder / "kafka").rglob("*.log"))
    assert segments and not [path for path in segments if canary.encode() in path.read_bytes()]
    logs = [system.folder / f"{part}.log" for part in ("tables", "analysis", "projector", "edge")]
    assert not [path for path in logs if canary in path.read_text()]


@pytest.mark.parametrize("part", ["edge", "tables", "analysis", "projector"])
def test_every_process_tells_its_health_and_metrics(system: System, part: str) -> None:
    at = f"http://127.0.0.1:{system.ports[part]}"
    assert httpx.get(f"{at}/healthz").status_code == httpx.get(f"{at}/readyz").status_code == 200
    assert "soulfra_build_info" in httpx.get(f"{at}/metrics").text


def test_one_id_joins_the_log_lines_of_an_upload_across_processes(
    system: System, edge: httpx.Client, sample: bytes
) -> None:
    trace = "0123456789abcdef0123456789abcdef"
    finished(edge, uploaded(edge, sample, traceparent=f"00-{trace}-0123456789abcdef-01"))
    for part in ("edge", "analysis"):
        lines = [json.loads(line) for line in (system.folder / f"{part}.log").read_text().splitlines() if trace in line]
        assert lines and lines[0]["trace.id"] == trace and lines[0]["service.name"] == f"soulfra-{part}"


@pytest.mark.timeout(600)
def test_a_chat_that_would_take_the_machines_memory_fails_alone(
    system: System, edge: httpx.Client, sample: bytes
) -> None:
    first = json.dumps(json.loads(sample)[0])
    hostile = uploaded(edge, f"[{first}{',1' * 45_000_000}]".encode())
    good = uploaded(edge, sample)
    assert finished(edge, good)["status"] == "done"
    told = edge.get(f"/v1/chats/{hostile}", params={"until": "analysis", "wait": "30s"}).json()
    assert told["status"] == "failed" and "memory" in told["failure"]["sentence"], told
