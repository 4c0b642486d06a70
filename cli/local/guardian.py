"""Outlives the process that started it by seconds, so that even `kill -9` of a launcher leaves nothing running.

Reads `+pid` and `-pid` lines from its parent. When that pipe closes, for whatever reason, it asks the processes
it still knows to end, and ends their whole groups a little later. Runs on the standard library alone
(`python -I -S`), on Linux and macOS; unlike PR_SET_PDEATHSIG it also reaches what the children started.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

GRACE = 4.0  # seconds between asking and ending; a broker needs two


def known_at_the_end() -> list[int]:
    """Every process named and not taken back until the parent was gone."""
    known: set[int] = set()
    for line in sys.stdin:
        change = known.add if line[0] == "+" else known.discard
        change(int(line[1:]))
    return sorted(known)


def told(pid: int, tell: Callable[[int, int], None], what: int) -> bool:
    """Sends a signal; whether there still was anyone to send it to."""
    try:
        tell(pid, what)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    left = [pid for pid in known_at_the_end() if told(pid, os.kill, signal.SIGTERM)]
    until = time.monotonic() + GRACE
    while time.monotonic() < until and any(told(pid, os.killpg, 0) for pid in left):
        time.sleep(0.05)
    for pid in left:
        told(pid, os.killpg, signal.SIGKILL)


if __name__ == "__main__":
    main()
