"""The house: names resolve here, settings explain themselves, and nothing names another place."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from config import WrongSettings, every_key, name_of, settings
from config.explain import Unknown, origins, value_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def fresh_settings() -> object:
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize("name", ["schemas", "topics", "soulfra", "config", "streams", "api", "cli"])
def test_each_package_resolves_inside_the_repository(name: str) -> None:
    found = importlib.import_module(name).__file__
    assert found and Path(found).is_relative_to(ROOT)


def test_all_wrong_settings_are_named_at_once_and_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("KAFKA__PARTITIONS", "zero"),
        ("EDGE__PORT", "99999"),
        ("EDGE__PRT", "1"),
        ("KAFKA__SASL_PASWORD", "geheim"),
    ):
        monkeypatch.setenv(f"SOULFRA_{name}", value)
    with pytest.raises(WrongSettings) as wrong:
        settings()
    said = str(wrong.value)
    assert all(
        f"SOULFRA_{name}" in said for name in ("KAFKA__PARTITIONS", "EDGE__PORT", "EDGE__PRT", "KAFKA__SASL_PASWORD")
    )
    assert "geheim" not in said


def test_a_setting_tells_where_it_came_from_and_what_it_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOULFRA_ENVIRONMENT", "production")
    monkeypatch.setenv("SOULFRA_KAFKA__PARTITIONS", "12")
    monkeypatch.setenv("SOULFRA_KEYS__INSTALLATION", "geheim, und lang genug")
    assert [said.source for said in origins("kafka.partitions")] == [
        "SOULFRA_KAFKA__PARTITIONS",
        "config/production.yaml",
        "default",
    ]
    assert value_of("kafka.partitions") == 12
    with pytest.raises(Unknown):
        origins("kafka.partition")


def test_secrets_come_from_files_and_are_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "SOULFRA_KEYS__INSTALLATION").write_text("geheim, und lang genug")
    monkeypatch.setenv("SOULFRA_SECRETS_DIR", str(tmp_path))
    assert settings().keys.installation.get_secret_value() == "geheim, und lang genug"
    assert value_of("keys.installation") == "(a secret)"


def test_every_setting_has_a_name_in_the_environment() -> None:
    assert len({name_of(key) for key in every_key()}) == len(every_key())


def test_the_core_runs_without_the_infrastructure() -> None:
    code = "import sys, soulfra.analysis, soulfra.trust; print([m for m in ('faust', 'fastapi', 'confluent_kafka', 'redis') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_lock_files_name_no_address() -> None:
    locks = list((ROOT / "locks").glob("*.txt"))
    assert locks and not [lock for lock in locks if "://" in lock.read_text()]


def test_every_command_tells_what_it_does() -> None:
    words = [
        [],
        ["worker"],
        ["topics"],
        ["schemas"],
        ["dlq"],
        ["config"],
        ["bench"],
        ["analyze"],
        ["upload"],
        ["run"],
        ["stop"],
        ["reset"],
        ["doctor"],
    ]
    for word in words:
        done = subprocess.run(
            [sys.executable, "-m", "cli", *word, "--help"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0 and len(done.stdout) > 100, word


FINDINGS = sorted((ROOT / "findings").glob("*.sh"))


@pytest.mark.parametrize("script", FINDINGS, ids=lambda script: script.stem)
def test_a_finding_runs_by_itself_states_its_versions_and_is_listed(script: Path) -> None:
    text = script.read_text()
    head = text[: text.index("set -euo pipefail")]
    missing = [part for part in ("Seen on", "Behaviour.", "Output seen", "Surprising") if part not in head]
    assert os.access(script, os.X_OK) and not missing
    assert re.search(r"^# Versions?: .*\d+\.\d+\.\d+", head, re.MULTILINE)
    assert (
        re.search(r"^(python_packages|java_packages|kafka_alone) .*[=:]\d+\.\d+", text, re.MULTILINE)
        or "=${1:-" in text
    )
    assert re.search(r"^within \d+ ", text, re.MULTILINE)
    assert f"`{script.name}`" in (ROOT / "findings" / "README.md").read_text()


def test_findings_are_not_packaged_and_import_nothing_of_ours() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packages = tools["setuptools"]["packages"]["find"]["include"]
    assert FINDINGS and not any(fnmatch("findings", pattern) for pattern in packages)
    ours = "|".join(pattern.rstrip("*") for pattern in packages)
    assert not [script for script in FINDINGS if re.search(rf"^\s*(from|import) ({ours})\b", script.read_text(), re.M)]
