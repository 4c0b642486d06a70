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
