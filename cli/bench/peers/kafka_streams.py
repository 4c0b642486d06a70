"""Kafka Streams and our program on it, fetched and compiled through Maven once."""

from __future__ import annotations

import os
from pathlib import Path

from cli.errors import Failed
from cli.local.java import TOOLS, NoMaven, java, kafka_version, maven

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
    doing = f"fetching Kafka Streams {kafka_version()} through Maven, once (about 90 MB) …"
    words = [f"-Dkafka.version={kafka_version()}", "-Dinto={into}", "compile", "dependency:copy-dependencies"]
    try:
        maven(POM, words, folder(), doing)
    except NoMaven as why:
        raise Failed(NOT_BUILT.format(version=kafka_version(), folder=folder(), why=why)) from None
