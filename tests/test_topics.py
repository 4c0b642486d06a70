"""The catalogue against a real broker: created once, never torn, and nobody starts on anything else."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from tests.conftest import System, eventually, free_port

pytestmark = pytest.mark.kafka


def refused(*words: str, **settings: str) -> str:
    done = subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **settings}, check=False)  # fmt: skip
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_applying_again_changes_nothing(system: System) -> None:
    assert "as the catalogue says" in system.run("topics", "apply")
    assert system.run("topics", "plan", "--json").strip() == "[]"


def test_a_topic_is_never_grown_and_the_setting_is_named(system: System) -> None:
    said = refused("topics", "apply", SOULFRA_KAFKA__PARTITIONS="12")
    assert "has 8 partitions, not 12" in said and "SOULFRA_KAFKA__PARTITIONS=8" in said


@pytest.mark.parametrize("words", [["worker", "tables"], ["worker", "analysis"], ["worker", "projector"], ["api"]])
def test_nobody_starts_on_other_topics_than_the_catalogues(system: System, words: list[str]) -> None:
    assert "run `soulfra topics apply`" in refused(*words, SOULFRA_KAFKA__PARTITIONS="4")


def test_outside_a_laptop_a_single_copy_is_refused(system: System) -> None:
    said = refused("topics", "apply", SOULFRA_ENVIRONMENT="production", SOULFRA_KAFKA__REPLICATION="1")
    assert "SOULFRA_KAFKA__REPLICATION" in said


def test_a_broker_that_is_away_is_named(system: System) -> None:
    said = refused("topics", "plan", SOULFRA_KAFKA__BOOTSTRAP=f"127.0.0.1:{free_port()}")
    assert "no Kafka broker answers" in said and "SOULFRA_KAFKA__BOOTSTRAP" in said


def test_the_edge_runs_on_uvicorn_too(system: System) -> None:
    port, telemetry = free_port(), free_port()
    words = [
        sys.executable,
        "-m",
        "uvicorn",
        "api.app:make",
        "--factory",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    process = subprocess.Popen(
        words, env={**os.environ, "SOULFRA_TELEMETRY__EDGE_PORT": str(telemetry)}, stdout=subprocess.DEVNULL
    )

    def ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        assert eventually(ready, 20)
    finally:
        process.terminate()
        process.wait(20)
