"""Log files of processes we start, which never outgrow their bound."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import IO

SIZE = 5 * 1024 * 1024  # bytes of one file
KEPT = 3  # files per process: broker.log, broker.log.1, broker.log.2
TOLD = 20  # lines shown when a process dies


class BoundedLog:
    """A file that is turned over at SIZE bytes, and the last lines of it in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: deque[bytes] = deque(maxlen=TOLD)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    @property
    def last_lines(self) -> list[str]:
        return [line.decode(errors="replace").rstrip() for line in list(self._last)]

    def copy(self, output: IO[bytes]) -> None:
        """Keeps what a process writes until it ends; a line without an end is cut every 64 KiB."""
        try:
            with output:
                while line := output.readline(64 * 1024):
                    self._keep(line)
        finally:
            self._file.close()  # the one in use by then

    def _keep(self, line: bytes) -> None:
        if self._file.tell() + len(line) > SIZE:
            self._turn_over()
        self._file.write(line)
        self._last.append(line)

    def _turn_over(self) -> None:
        self._file.close()
        for n in range(KEPT - 1, 0, -1):
            older = self._numbered(n - 1)
            if older.exists():
                older.replace(self._numbered(n))
        self._file = self.path.open("ab", buffering=0)

    def _numbered(self, n: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{n}") if n else self.path
