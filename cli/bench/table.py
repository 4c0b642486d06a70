"""The form in which every bench tells its results."""

from __future__ import annotations

import os
import platform
import statistics
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One workload on one system: a value per round."""

    workload: str
    system: str
    unit: str
    values: list[float]


def report(bench: str, rows: list[Row]) -> dict[str, Any]:
    told = [{**row._asdict(), "median": round(statistics.median(row.values), 3)} for row in rows]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return {"bench": bench, "machine": machine, "rows": told}


def ratios(rows: list[Row]) -> list[str]:
    """How many times as much as each peer, or, of seconds, how many times as fast; of the medians, workload by workload."""
    told = []
    medians = {(row.workload, row.system, row.unit): statistics.median(row.values) for row in rows}
    for (workload, system, unit), theirs in medians.items():
        ours = medians.get((workload, "soulfra", unit))
        if system != "soulfra" and ours and theirs:
            told.append(f"{workload}: {theirs / ours if unit == 's' else ours / theirs:.2f} x {system} ({unit})")
    return told
