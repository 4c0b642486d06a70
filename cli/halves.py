"""Reads the two halves of a large export at the same time, the second one in a process of its own."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import active_count

from soulfra.reading import Plan, Progress, Reading, read

LINUX = sys.platform == "linux"  # where a process without threads can be forked, which is quicker


def side_by_side(file: Path, plan: Plan, workspace: Path, limit: int, progress: Progress) -> list[Reading]:
    """The readings of both halves, for `soulfra.analysis.analyse`. `progress` is that of the first half."""
    with ProcessPoolExecutor(1, get_context("fork" if active_count() == 1 and LINUX else "spawn")) as other:
        second = other.submit(read, file, plan, 1, workspace, limit)
        return [read(file, plan, 0, workspace, limit, progress), second.result()]
