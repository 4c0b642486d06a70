"""The folder of everything kept: its version, who holds it, and how big it is."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cli.errors import Failed

VERSION = 1  # of the folder's layout, not of tables; raised when an older Soulfra could no longer use it
SAME_START = 2.0  # seconds two readings of one process's start may differ: the clock is adjusted meanwhile


class Holder(NamedTuple):
    """The launcher that holds a folder."""

    pid: int
    started: float

    @property
    def alive(self) -> bool:
        """Whether that very process still runs, and not a later one that got its number."""
        now = _started(self.pid)
        return now is not None and abs(now - self.started) < SAME_START


class Home:
    """`.data`, or where SOULFRA_LOCAL__DATA says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self._version = self.folder / "version"
        self._lock = self.folder / "launcher.lock"

    @property
    def version(self) -> int | None:
        """The layout's version; None where there is no folder of ours."""
        try:
            return int(self._version.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            raise Failed(f"{self._version} holds no version number; is {self.folder} Soulfra's folder?") from None

    def open(self) -> None:
        """Makes the folder, or accepts the one that is there. Raises Failed when a newer Soulfra wrote it."""
        found = self.version
        if found is not None and found > VERSION:
            raise Failed(
                f"{self.folder} was written by a newer Soulfra (version {found}, this one knows {VERSION}); "
                "use that one, set SOULFRA_LOCAL__DATA to another folder, or delete it with `soulfra reset`"
            )
        self.logs.mkdir(parents=True, exist_ok=True)
        self._version.write_text(f"{VERSION}\n")

    @property
    def running(self) -> Holder | None:
        """The live launcher of this folder."""
        holder = self._named()
        return holder if holder and holder.alive else None

    @contextmanager
    def held(self) -> Iterator[Holder | None]:
        """Holds the folder for this process; gives the holder that died without letting go, if one did.

        Raises Failed when another launcher lives. The kernel lets go of the lock when a process dies.
        """
        with self._lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise self._in_use() from None
            before = self._named()
            self._lock.write_text(json.dumps(Holder(os.getpid(), _started(os.getpid()) or 0.0)._asdict()))
            try:
                yield before
            finally:
                self._lock.write_text("")

    def delete(self) -> None:
        """Everything kept is gone after this. Raises Failed for a folder that is not ours, or in use."""
        if self.running:
            raise self._in_use()
        if self.folder.exists() and self.version is None:
            raise Failed(f"{self.folder} is not Soulfra's (it has no file `version`); nothing was deleted")
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each thing in the folder."""
        if not self.folder.exists():
            return {}
        return {entry.name: _on_disk(entry) for entry in sorted(self.folder.iterdir())}

    def _named(self) -> Holder | None:
        try:
            said = self._lock.read_text()
            return Holder(**json.loads(said)) if said else None
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _in_use(self) -> Failed:
        holder = self._named()
        who = f"process {holder.pid}, since {since(holder.started)}" if holder else "another process"
        return Failed(f"Soulfra already runs on {self.folder} ({who}); `soulfra stop` ends it")


def since(started: float) -> str:
    return time.strftime("%d %b %H:%M:%S", time.localtime(started))


def _started(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def _on_disk(path: Path) -> int:
    """Blocks in use, as files of Kafka are allocated ahead; what vanishes meanwhile counts nothing."""
    total = 0
    for file in [path, *path.rglob("*")]:
        try:
            total += file.lstat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
