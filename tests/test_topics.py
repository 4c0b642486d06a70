"""The catalogue against a real broker: created once, never torn, and nobody starts on anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from cli.local.kafka import Kafka
from tests.conftest import PATIENCE, System, eventually, free_port
from topics import USAGE
from topics.broker import admin
from topics.pace import slow

pytestmark = pytest.mark.kafka


def refused(*words: str, **settings: str) -> str:
    """The message with which a command or process refuses; it is run again where the message asks for that."""

    def output() -> str:
        done = subprocess.run([sys.executable, "-m", "cli", *words], capture_output=True, text=True, timeout=PATIENCE,
                              env={**os.environ, **settings}, check=False)  # fmt: skip
        assert done.returncode == 1, done.stdout
        return done.stderr + done.stdout

    return next(sentence for sentence in iter(output, "") if "run it again" not in sentence)


def test_applying_again_changes_nothing(system: System) -> None:
    assert "as the catalogue says" in system.run("topics", "apply")
    assert system.run("topics", "plan", "--json").strip() == "[]"


def test_a_topic_is_never_grown_and_the_setting_is_named(system: System) -> None:
    said = refused("topics", "apply", SOULFRA_KAFKA__PARTITIONS="12")
    assert "has 8 partitions, not 12" in said and "SOULFRA_KAFKA__PARTITIONS=8" in said


@pytest.mark.parametrize("words", [["worker", "tables"], ["worker", "analysis"], ["worker", "projector"], ["api"]])
def test_nobody_starts_on_other_topics_than_the_catalogues(system: System, words: list[str]) -> None:
    ports = {
        f"SOULFRA_TELEMETRY__{name}_PORT": str(free_port()) for name in ("TABLES", "ANALYSIS", "PROJECTOR", "EDGE")
    }
    assert "run `soulfra topics apply`" in refused(*words, SOULFRA_KAFKA__PARTITIONS="4", **ports)


def test_outside_a_laptop_a_single_copy_is_refused(system: System) -> None:
    said = refused("topics", "apply", SOULFRA_ENVIRONMENT="production", SOULFRA_KAFKA__REPLICATION="1",
                   SOULFRA_KAFKA__MIN_INSYNC_REPLICAS="1", SOULFRA_KEYS__INSTALLATION=SECRET)  # fmt: skip
    assert "SOULFRA_KAFKA__REPLICATION must be 3" in said


SECRET = "a secret of another installation"


@pytest.mark.parametrize(
    "words", [["worker", "tables"], ["worker", "analysis"], ["worker", "projector"], ["api"], ["topics", "apply"]]
)
def test_topics_belong_to_the_installation_that_claimed_them(system: System, words: list[str]) -> None:
    ports = {
        f"SOULFRA_TELEMETRY__{name}_PORT": str(free_port()) for name in ("TABLES", "ANALYSIS", "PROJECTOR", "EDGE")
    }
    sentence = refused(*words, SOULFRA_KEYS__INSTALLATION=SECRET, **ports)
    assert "these topics belong to the installation" in sentence and "SOULFRA_KEYS__INSTALLATION" in sentence
    assert SECRET not in sentence


def test_outside_a_laptop_nobody_starts_without_the_installation_s_secret(system: System) -> None:
    assert "SOULFRA_KEYS__INSTALLATION: is missing" in refused("worker", "tables", SOULFRA_ENVIRONMENT="production")
    assert "shorter than 16 characters" in refused("worker", "tables", SOULFRA_KEYS__INSTALLATION="short")


def test_keys_of_the_secret_that_set_nothing_are_named(system: System, tmp_path: Path) -> None:
    for name in ("SOULFRA_KEYS__INSTALATION", "..data"):
        (tmp_path / name).write_text("x")
    sentence = refused("worker", "tables", SOULFRA_SECRETS_DIR=str(tmp_path))
    assert "SOULFRA_KEYS__INSTALATION: there is no such setting" in sentence and "..data" not in sentence


def test_what_an_operator_set_on_a_topic_stays_unless_it_is_asked_for(system: System) -> None:
    broker = AdminClient({"bootstrap.servers": system.kafka.bootstrap})
    place = ConfigResource(ResourceType.TOPIC, USAGE.name)
    changed = ConfigEntry("retention.ms", "123456789", incremental_operation=AlterConfigOpType.SET)
    before = broker.describe_configs([place])[place].result()["retention.ms"].value
    broker.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, USAGE.name, incremental_configs=[changed])])[
        place
    ].result()
    assert "retention.ms is 123456789" in system.run("topics", "plan")
    system.run("topics", "apply")
    assert broker.describe_configs([place])[place].result()["retention.ms"].value == "123456789"
    assert "configure usage.recorded" in system.run("topics", "apply", "--configure")
    assert broker.describe_configs([place])[place].result()["retention.ms"].value == before


def test_brokers_that_notice_a_death_late_are_named_with_the_setting(system: System, tmp_path: Path) -> None:
    assert slow(admin(system.settings.kafka)) == []
    with Kafka(tmp_path / "kafka", free_port(), free_port(), paced=False) as broker:
        sentences = slow(admin(system.settings.kafka.model_copy(update={"bootstrap": broker.bootstrap})))
    assert len(sentences) == 3
    assert "for 45 s" in sentences[0] and "group.consumer.session.timeout.ms is 45000" in sentences[0]
    assert "for 5 s" in sentences[1] and "group.consumer.heartbeat.interval.ms is 5000" in sentences[1]
    assert "transaction.abort.timed.out.transaction.cleanup.interval.ms is 10000" in sentences[2]


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
        assert eventually(ready)
    finally:
        process.terminate()
        process.wait(PATIENCE)
