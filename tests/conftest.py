"""The real parts: a broker, a Redis server, the workers and the edge, each a process that a test may kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from cli.local.children import guardian
from cli.local.kafka import Kafka
from cli.local.ports import free as free_port
from cli.local.valkey import Valkey
from config import Settings
from config.keys import ensure_first_token, new_user, token

PARTS = {
    "projector": ["worker", "projector"],
    "tables": ["worker", "tables"],
    "analysis": ["worker", "analysis"],
    "edge": ["api"],
}
PATIENCE = 300.0  # seconds that something may take on a machine that is busy with other work


def eventually(true: Callable[[], Any], within: float = PATIENCE, every: float = 0.05) -> Any:
    """The first truth of an assertion that takes time; what it was at last, when it never came."""
    deadline = time.monotonic() + within
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(every)
    return found


class Caller(httpx.Client):
    """Somebody who asks again while an answer that was to be waited for is not there: on a busy machine it takes longer."""

    def get(self, *words: Any, **more: Any) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE
        while is_early(answer := super().get(*words, **more)) and time.monotonic() < deadline:
            pass
        return answer


def is_early(answer: httpx.Response) -> bool:
    """Whether what the caller wants to wait for, for some seconds at a time, has not happened yet."""
    query = answer.request.url.params
    if not re.fullmatch(r"[0-9]+s", query.get("wait", "")):
        return False
    if "until" in query and answer.status_code == 404:
        return True
    return answer.status_code in (412, 503) or (answer.is_success and answer.json().get("reached") is False)


class System:
    """A whole Soulfra on ports of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, dict[str, subprocess.Popen[bytes]]()
        names = ("kafka", "controller", "redis", "api", "edge", "tables", "analysis", "projector")
        self.ports = {name: free_port() for name in names}
        self.kafka = Kafka(folder / "kafka", self.ports["kafka"], self.ports["controller"])
        self.valkey = Valkey(folder / "valkey", self.ports["redis"])
        self.environment = {
            "SOULFRA_KAFKA__BOOTSTRAP": f"127.0.0.1:{self.ports['kafka']}",
            "SOULFRA_REDIS__URL": f"redis://127.0.0.1:{self.ports['redis']}/0",
            "SOULFRA_LOCAL__DATA": str(folder),
            "SOULFRA_EDGE__PORT": str(self.ports["api"]),
            "SOULFRA_EDGE__SSE_SECONDS": "3",
            **{
                f"SOULFRA_TELEMETRY__{name.upper()}_PORT": str(self.ports[name])
                for name in ("edge", *PARTS)
                if name != "api"
            },
        }
        self._open: list[httpx.Client] = []
        os.environ.update(self.environment)
        self.settings = Settings()

    def start(self) -> None:
        self.kafka.start()
        self.valkey.start()
        self.run("topics", "apply")
        for name in PARTS:
            self.begin(name)
        for name in PARTS:
            self.ready(name)

    def run(self, *words: str, release: Path | None = None) -> str:
        """One command to its end, of another release where there is one; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words], capture_output=True, text=True, timeout=300, check=False, cwd=release
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def begin(self, name: str, called: str = "", release: Path | None = None, **settings: str) -> None:
        """Starts a part; another one of its kind under another name and other settings, or of another release."""
        called = called or name
        words, environment = [sys.executable, "-m", "cli", *PARTS[name]], {**os.environ, **settings}
        with (self.folder / f"{called}.log").open("ab") as log:
            self.running[called] = subprocess.Popen(
                words, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=release
            )
        guardian().watch(self.running[called].pid)  # it does not outlive the tests, however these end

    def ready(self, name: str) -> None:
        url = f"http://127.0.0.1:{self.ports[name]}/readyz"

        def answers() -> bool:
            try:
                return httpx.get(url, timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        tail = (self.folder / f"{name}.log").read_text()[-3000:] if not eventually(answers) else ""
        assert not tail, f"{name} did not become ready:\n{tail}"

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        process = self.running.pop(name)
        if how is signal.SIGKILL:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        process.wait(40)
        guardian().forget(process.pid)

    def restart(self, name: str) -> None:
        self.begin(name)
        self.ready(name)

    def stop(self) -> None:
        for name in reversed(list(self.running)):
            self.kill(name, signal.SIGTERM)
        self.valkey.stop()
        self.kafka.stop()

    @property
    def contracts(self) -> Path:
        import schemas

        return Path(schemas.__file__).parent / "contracts"

    def close(self) -> None:
        """The end of all tests."""
        self.stop()
        self.redis.close()
        for client in self._open:
            client.close()

    @cached_property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.environment["SOULFRA_REDIS__URL"])

    def client(self, scopes: tuple[str, ...] = ("chats",), user: str = "") -> httpx.Client:
        """A caller of their own; each test has its own people."""
        user = user or new_user()
        bearer = token(self.settings, user, scopes)
        made = Caller(
            base_url=f"http://127.0.0.1:{self.ports['api']}",
            headers={"Authorization": f"Bearer {bearer}"},
            timeout=PATIENCE,
        )
        made.user = user  # type: ignore[attr-defined]
        self._open.append(made)
        return made


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One for all tests: starting it takes seconds, and what tests do with it is kept apart by people."""
    made = System(tmp_path_factory.mktemp("soulfra"))
    ensure_first_token(made.settings)
    made.start()
    yield made
    made.close()


@pytest.fixture
def edge(system: System) -> Iterator[httpx.Client]:
    """The edge, as a person with no special scope sees it."""
    with system.client() as client:
        yield client


@pytest.fixture
def sample() -> bytes:
    import soulfra

    return (Path(soulfra.__file__).parent / "samples" / "sample-chatgpt.json").read_bytes()
