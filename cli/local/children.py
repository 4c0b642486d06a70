"""Processes of other programs: started, waited for, watched and stopped, never left behind."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from cli.errors import Failed
from cli.local.logs import BoundedLog

POLL = 0.05  # seconds


class Child(NamedTuple):
    """A part of Soulfra that the launcher starts: it is ready when `ready_url` answers 200."""

    name: str
    argv: Sequence[str]
    ready_url: str = ""


class Asked(Exception):
    """Someone asked us to stop while we were waiting for something."""


class Process:
    """One child in a process group of its own, its output in a bounded log file.

    `ready` tells whether it serves. A guardian process ends it when we are gone, however we went.
    """

    grace = 10.0  # seconds between asking it to end and ending it
    patience = 300.0  # seconds until it must be ready: a busy machine, or its disk, may stand still for a minute

    def __init__(
        self, name: str, argv: Sequence[str], logs: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log_file = logs / f"{name}.log"
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: BoundedLog | None = None
        self._pump: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the running process. Raises Failed when it was not started."""
        if self._process is None:
            raise Failed(f"{self.name} was not started")
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code of the ended process; None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self.code is None

    def ready(self) -> bool:
        """Whether it serves; what is not asked otherwise serves as soon as it runs."""
        return self.running

    def start(self) -> None:
        """Starts it and waits until it serves."""
        self.spawn()
        try:
            self.until_ready()
        except BaseException:
            self.stop()
            raise

    def spawn(self) -> None:
        """Starts it and does not wait."""
        if self.running:
            raise Failed(f"{self.name} already runs as process {self.pid}")
        self._process = process = self._popen()
        guardian().watch(process.pid)
        self._log = BoundedLog(self.log_file)
        self._pump = threading.Thread(target=self._log.copy, args=(process.stdout,), daemon=True)
        self._pump.start()

    def _popen(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise Failed(f"{self.name} cannot be started: {error}") from error

    def until_ready(self, asked: threading.Event | None = None) -> None:
        """Raises Failed with its last log lines when it ends or takes too long, Asked when told to stop."""
        self._until(self.ready, f"did not become ready within {self.patience:.0f} s", asked)

    def until_done(self, asked: threading.Event | None = None) -> None:
        """Waits for a process that does one thing and ends. Raises Failed when that failed."""
        self._until(lambda: self.code == 0, f"did not finish within {self.patience:.0f} s", asked)
        self._reap()

    def stop(self) -> None:
        """Asks it to end, and ends it and all it started when it does not within `grace` seconds."""
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
            _wait(lambda: not self.running, self.grace)
        self._end_group()

    def kill(self) -> None:
        """Ends it and all it started at once, as a power cut would."""
        if self._process is not None:
            self._end_group()

    def died(self) -> Failed:
        """What to say when it ended by itself."""
        self._join_pump(1.0)
        return self._failure(f"ended by itself with {_said(self.code or 0)}")

    def _failure(self, what: str) -> Failed:
        told = [f"    {line}" for line in (self._log.last_lines if self._log else [])]
        last = ["its last lines:", *told] if told else ["it wrote nothing"]
        return Failed("\n".join([f"{self.name} {what}; {last[0]}", *last[1:], f"  all of it: {self.log_file}"]))

    def _until(self, done: Callable[[], bool], otherwise: str, asked: threading.Event | None) -> None:
        until = time.monotonic() + self.patience
        while not done():
            if asked is not None and asked.is_set():
                raise Asked
            if self.code is not None and not done():
                raise self.died()
            if time.monotonic() > until:
                raise self._failure(otherwise)
            time.sleep(POLL)

    def _end_group(self) -> None:
        """The group goes with its leader: what the process started must not outlive it."""
        process = self._process
        assert process is not None  # noqa: S101 - callers looked
        if self.code is None:
            process.kill()
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            guardian().forget(self._process.pid)
            self._join_pump(2.0)

    def _join_pump(self, seconds: float) -> None:
        if self._pump is not None:
            self._pump.join(seconds)


class Part(Process):
    """A worker or the edge: ready when its own health address says so."""

    def __init__(self, child: Child, logs: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(child.name, child.argv, logs, environment)
        self.ready_url = child.ready_url

    def ready(self) -> bool:
        return self.running and (not self.ready_url or answers(self.ready_url))


class Guardian:
    """Our end of `guardian.py`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guardian.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # whoever reads our stderr to its end does not wait for it
            start_new_session=True,
        )
        atexit.register(self.leave)

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        if self._process.poll() is None:
            self._tell(f"-{pid}\n")

    def leave(self) -> None:
        """Lets it end what is left, and waits for that."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is None or self._process.poll() is not None:
            raise Failed("the guardian process was ended from outside; stop and start again")
        pipe.write(line.encode())
        pipe.flush()


@cache
def guardian() -> Guardian:
    """The one guardian of this process, started with its first child."""
    return Guardian()


def answers(url: str) -> bool:
    """Whether GET of this address answers 200 within a second."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "127.0.0.1", place.port or 80, timeout=1.0)
    try:
        connection.request("GET", place.path or "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether anyone accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def must_be_free(name: str, *ports: int) -> None:
    """Raises Failed when another program listens there: it would answer in our child's place."""
    for port in ports:
        if listens(port):
            raise Failed(f"{name} cannot use port {port}: another program listens there; give it another port")


def _wait(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(POLL)


def _signal_group(pid: int, what: signal.Signals) -> None:
    try:
        os.killpg(pid, what)
    except (ProcessLookupError, PermissionError):  # PermissionError: macOS says so of a group of zombies
        return


def _said(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
