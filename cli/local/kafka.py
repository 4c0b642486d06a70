"""Apache Kafka, the real one, as a single KRaft node on this machine."""

from __future__ import annotations

import logging
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from string import Template
from uuid import uuid4

from cli.errors import Failed
from cli.local.children import Process, listens, must_be_free
from cli.local.java import jars, java

PACKAGED = Path(__file__).parents[1] / "kafka"
HEAP = ["-Xmx512m", "-Xms128m"]
PACES = ("broker.session.", "broker.heartbeat.", "group.", "transaction.abort.")  # how soon a death is noticed
QUICK_START = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # for a laptop; a bench says it ran without


class Kafka(Process):
    """A one-node cluster whose log lives in `folder` and survives stop and kill.

    It serves on 127.0.0.1 only; `flags` are those of the Java runtime. One that is not `paced` has Kafka's own session times.
    """

    grace = 20.0

    def __init__(
        self,
        folder: Path,
        port: int,
        controller: int,
        logs: Path | None = None,
        flags: tuple[str, ...] = (*HEAP, *QUICK_START),
        paced: bool = True,
    ) -> None:
        self.folder = folder.resolve()
        self.port = port
        self.controller = controller
        self.flags, self.paced = flags, paced
        super().__init__("broker", [], logs or self.folder / "logs")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def spawn(self) -> None:
        """Writes the settings, formats an empty folder, and starts the server."""
        must_be_free(self.name, self.port, self.controller)
        self._write_settings()
        self._format()
        self.argv = [*self._java(*self.flags), "kafka.Kafka", str(self._settings)]
        super().spawn()

    def ready(self) -> bool:
        """An open port is not ready: the broker must describe itself and have loaded its coordinators."""
        return self.running and listens(self.port) and serves(self.bootstrap)

    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"

    def _write_settings(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = (PACKAGED / "server.properties").read_text().splitlines(keepends=True)
        template = Template("".join(line for line in lines if self.paced or not line.startswith(PACES)))
        self._settings.write_text(
            template.substitute(port=self.port, controller=self.controller, logs=self.folder / "log")
        )

    def _format(self) -> None:
        """Once: a formatted folder keeps its cluster id and everything in it."""
        if (self.folder / "log" / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        tool = [
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            f"--cluster-id={cluster}",
            "-c",
            str(self._settings),
        ]
        done = subprocess.run([*self._java(), *tool], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"the folder {self.folder} cannot be made Kafka's:\n{done.stdout}{done.stderr}".rstrip())

    def _java(self, *flags: str) -> list[str]:
        logging_file = PACKAGED / "log4j2.properties"
        return [java(), *flags, f"-Dlog4j2.configurationFile={logging_file}", "-cp", f"{jars()}/*"]


def serves(bootstrap: str, seconds: float = 2.0) -> bool:
    """Whether a cluster describes itself and its group coordinators answer.

    The offsets of a group nobody has make the broker create and load its topic of offsets. A consumer asks for them: the Admin
    client's questions about groups may end the whole process (librdkafka 2.16) while a coordinator cannot answer in time.
    """
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    silent = {"bootstrap.servers": bootstrap, "log_level": 0, "logger": logging.getLogger("silent")}
    consumer = Consumer(silent | {"group.id": "soulfra-ready"})
    try:
        consumer.list_topics(timeout=seconds)
        return all(one.error is None for one in consumer.committed([TopicPartition("soulfra-ready", 0)], seconds))
    except KafkaException:
        return False
    finally:
        consumer.close()
