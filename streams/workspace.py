"""The folder in which a worker keeps what it works on. A lock says that its owner lives: process ids come again, and in a
container every first process has the same."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

LOCK = "lock"


class Workspace:
    """Made empty; folders that dead workers left beside it are removed."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = _locked(root / LOCK, wait=True)
        try:
            for folder in root.iterdir():
                if folder.is_dir() and (dead := _locked(folder / LOCK)) >= 0:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(dead)
            self.folder = Path(tempfile.mkdtemp(dir=root))
            self._lock = _locked(self.folder / LOCK)
        finally:
            os.close(beside)

    def task(self) -> tempfile.TemporaryDirectory[str]:
        """A folder for one piece of work."""
        return tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def _locked(file: Path, wait: bool = False) -> int:
    """The open and locked file; -1 when another process holds it."""
    number = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(number)
        return -1
    return number
