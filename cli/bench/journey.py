"""The whole journey, measured on a running system: upload, report, memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import httpx
import psutil

from cli.bench.generate import chatgpt
from cli.bench.table import Row
from cli.chat import _checked, _client
from cli.errors import Failed
from config import settings

MEBIBYTE = 2**20
IDLE = 3.0  # seconds of rest before idle memory is read
SAMPLE_EVERY = 0.02  # seconds


def measure(rounds: int) -> list[Row]:
    """Needs `make run` in another terminal. Values are seconds and MB."""
    edge, family = _processes()
    with tempfile.TemporaryDirectory(prefix="soulfra-bench-") as folder, _client() as client:
        time.sleep(IDLE)
        idle = [round(sum(_rss(process) for process in family), 1)]
        small = [_to_report(client, chatgpt(Path(folder) / f"1mb-{n}.json", MEBIBYTE)) for n in range(rounds)]
        large = chatgpt(Path(folder) / "100mb.json", 99 * MEBIBYTE)
        grown, wall = _upload_watched(client, large, edge)
    return [
        Row("POST of 1 MB to readable report", "soulfra", "s", small),
        Row("POST of 100 MB, until it is accepted", "soulfra", "s", [wall]),
        Row("growth of the edge's memory during that POST", "soulfra", "MB", [grown]),
        Row("idle memory, all processes", "soulfra", "MB", idle),
    ]


def _to_report(client: httpx.Client, file: Path) -> float:
    """Seconds from the first byte sent to the last byte of the report read."""
    body = file.read_bytes()
    started = time.perf_counter()
    id = _checked(client.post("/v1/chats", content=body))["chat_id"]
    _checked(client.get(f"/v1/chats/{id}", params={"until": "analysis", "wait": "30s"}))
    page = client.get(f"/v1/chats/{id}/report.html")
    took = time.perf_counter() - started
    if page.status_code != 200:
        raise Failed(f"there was no report: {page.status_code} {page.text[:200]}")
    client.delete(f"/v1/chats/{id}")
    return round(took, 3)


def _upload_watched(client: httpx.Client, file: Path, edge: list[psutil.Process]) -> tuple[float, float]:
    """Growth of the edge's resident memory in MB, and seconds, while a file is uploaded."""
    from threading import Event, Thread

    before, peak, over = sum(map(_rss, edge)), [0.0], Event()

    def watch() -> None:
        while not over.is_set():
            peak[0] = max(peak[0], sum(map(_rss, edge)))
            time.sleep(SAMPLE_EVERY)

    watcher = Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    with file.open("rb") as body:
        id = _checked(client.post("/v1/chats", content=iter(lambda: body.read(MEBIBYTE), b"")))["chat_id"]
    took = time.perf_counter() - started
    over.set()
    watcher.join()
    client.get(f"/v1/chats/{id}", params={"until": "agent", "wait": "30s"})
    client.delete(f"/v1/chats/{id}")
    return round(max(0.0, peak[0] - before), 1), round(took, 3)


def _processes() -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The edge's processes, and all of the running Soulfra, from the launcher's lock."""
    from cli.local.home import Home

    holder = Home(settings().local.data).running
    if holder is None:
        raise Failed("nothing runs here; start it with `make run` in another terminal")
    launcher = psutil.Process(holder.pid)
    family = [launcher, *launcher.children(recursive=True)]
    edge = [process for process in family if "api" in process.cmdline()[-1:]]
    edge += [child for process in edge for child in process.children(recursive=True)]
    return list(set(edge)), family


def _rss(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / 1e6
    except psutil.NoSuchProcess:
        return 0.0
