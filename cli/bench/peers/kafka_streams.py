"""Kafka Streams and our program on it, fetched and compiled through Maven once."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from cli.errors import Failed
from cli.local.java import TOOLS, java, kafka_version

HERE = Path(__file__).parent
SOURCE = HERE / "KafkaStreams.java"
POM = HERE / "pom.xml"

NOT_BUILT = """Kafka Streams {version} is not in {folder}, and {why}.
  Do one of these, then start again:
    - install Maven and a JDK 17 or newer (`apt install maven openjdk-17-jdk-headless`, `brew install maven openjdk@21`)
    - measure without it"""


def command() -> list[str]:
    """The program to start, without its options. Raises Failed as `classpath` does."""
    return [java(), "-cp", classpath(), "KafkaStreams"]


def classpath() -> str:
    """Of the program and what it needs, built the first time. Raises Failed that names the ways out."""
    if not is_built():
        _build()
    return os.pathsep.join([str(folder() / "classes"), str(folder() / "jars" / "*")])


def folder() -> Path:
    return TOOLS / f"kafka-streams-{kafka_version()}"


def is_built() -> bool:
    """Whether it is there, and not older than what it is made of."""
    built = folder() / "classes" / "KafkaStreams.class"
    return built.exists() and all(built.stat().st_mtime >= part.stat().st_mtime for part in (SOURCE, POM))


def _build() -> None:
    """Builds beside and moves at the end, so that half a build is never taken for a whole one."""
    if shutil.which("mvn") is None:
        raise _not_built("Maven (`mvn`) is not on the PATH")
    print(f"fetching Kafka Streams {kafka_version()} through Maven, once (about 90 MB) …", flush=True)
    TOOLS.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="building-", dir=TOOLS))
    try:
        _run_maven(beside)
        shutil.rmtree(folder(), ignore_errors=True)
        beside.replace(folder())
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _run_maven(into: Path) -> None:
    goals = ["compile", "dependency:copy-dependencies"]
    values = [f"-Dkafka.version={kafka_version()}", f"-Dinto={into}"]
    done = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(POM), *values, *goals], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [f"    {line}" for line in (done.stdout + done.stderr).strip().splitlines()[:5]]
        raise _not_built("\n".join(["Maven could not build it:", *said]))


def _not_built(why: str) -> Failed:
    return Failed(NOT_BUILT.format(version=kafka_version(), folder=folder(), why=why))
