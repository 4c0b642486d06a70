"""How much memory an analysing process may take: a share of what the container has, so that a file that needs more fails
alone instead of ending the container, and with it everybody's analyses."""

from __future__ import annotations

from pathlib import Path

from config import MEBIBYTE
from streams.engine import Stopped

POOLS = 2  # of small and of large files; each may have as many processes as there are analyses at a time
OWN = 192 * MEBIBYTE  # bytes for the worker itself
LEAST = 192 * MEBIBYTE  # bytes that an export of 100 MB may need (measured: 140 MB)
MOST = 2048 * MEBIBYTE  # bytes, where there is no limit

CGROUPS = Path("/sys/fs/cgroup")
OURS = Path("/proc/self/cgroup")


def share(analyses: int, limit: int | None) -> int:
    """Bytes for each process, with so many analyses at a time. Raises Stopped when there is not enough for an export each."""
    if limit is None:
        return MOST
    processes = POOLS * analyses
    each = (limit - OWN) // processes
    if each < LEAST:
        fitting = max(1, (limit - OWN) // LEAST // POOLS)
        raise Stopped(
            f"{limit // MEBIBYTE} MiB of memory are too few for {analyses} analyses at a time; give the worker "
            f"{(OWN + processes * LEAST) // MEBIBYTE} MiB, or set SOULFRA_WORKER__ANALYSIS_PROCESSES={fitting}"
        )
    return min(each, MOST)


def container_limit(ours: Path = OURS, cgroups: Path = CGROUPS) -> int | None:
    """Bytes; the narrowest limit of the control groups that this process is in. None without one."""
    try:
        lines = ours.read_text().splitlines()
    except OSError:
        return None
    found = [limit for line in lines for limit in _limits(cgroups, *line.split(":", 2)[1:])]
    return min(found, default=None)


def _limits(cgroups: Path, controllers: str, path: str) -> list[int]:
    """Of the group and of those around it; inside a container the outermost visible one is the container's."""
    if controllers not in ("", "memory"):
        return []
    root, name = (cgroups, "memory.max") if not controllers else (cgroups / "memory", "memory.limit_in_bytes")
    group = root / path.strip("/")
    if not group.is_dir():
        group = root
    around = [group, *group.parents]
    return [limit for one in around[: around.index(root) + 1] if (limit := _limit(one / name)) is not None]


def _limit(file: Path) -> int | None:
    try:
        number = int(file.read_text())
    except (OSError, ValueError):  # no such file, or `max`
        return None
    return number if number < 1 << 60 else None  # version 1 says "none" with a number of that size
