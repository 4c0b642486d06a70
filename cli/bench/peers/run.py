"""What a peer is asked, how its events are timed, and the line it answers."""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

PARTITIONS = 8  # of the output topics, as of the input


class Asked(NamedTuple):
    """One run: a workload on a topic that is filled already."""

    bootstrap: str
    workload: str  # noop | sum | two
    topic: str
    events: int
    seconds: float  # the run ends after these, however many events it did
    store: str  # memory | rocksdb
    guarantee: str  # at_least_once | exactly_once
    folder: Path  # for state on disk; ours alone


def asked() -> Asked:
    """From the command line."""
    return Asked(**vars(options("noop", "sum", "two").parse_args()))


def options(*workloads: str) -> argparse.ArgumentParser:
    """They have the names of the fields."""
    options = argparse.ArgumentParser()
    options.add_argument("--bootstrap", required=True)
    options.add_argument("--workload", choices=workloads, required=True)
    options.add_argument("--topic", required=True)
    options.add_argument("--events", type=int, required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--store", choices=["memory", "rocksdb"], required=True)
    options.add_argument("--guarantee", choices=["at_least_once", "exactly_once"], required=True)
    options.add_argument("--folder", type=Path, required=True)
    return options


def fresh(system: str) -> str:
    """A consumer group nobody had before, which begins at the first event."""
    return f"bench-{system}-{uuid.uuid4().hex[:12]}"


class Stopwatch:
    """Runs from the first event to the last one asked for, or until the time is over."""

    def __init__(self, run: Asked) -> None:
        self.enough, self.limit = run.events, run.seconds
        self.events = 0
        self.began = self.cpu_began = 0.0
        self.seconds = self.cpu_seconds = 0.0
        self.committed_seconds: float | None = None
        self.over = False

    def start(self) -> None:
        self.began, self.cpu_began = time.perf_counter(), time.process_time()

    def count(self, events: int = 1) -> bool:
        """Counts events that were processed; whether the run is over. Those after its end are not counted.

        It starts with the first of them, unless it was started: who counts in batches starts it before the first one.
        """
        if self.over:
            return True
        if not self.began:
            self.start()
        self.events += events
        self.seconds = time.perf_counter() - self.began
        if self.events >= self.enough or self.seconds >= self.limit:
            self.cpu_seconds = time.process_time() - self.cpu_began
            self.over = True
        return self.over

    def committed(self) -> None:
        """All that was counted is durable, and its offsets are committed."""
        self.committed_seconds = time.perf_counter() - self.began

    def tell(self) -> None:
        """The answer. Seconds are of the wall, CPU seconds of all threads of this process, both from the first event on."""
        told = {
            "events": self.events,
            "seconds": round(self.seconds, 4),
            "cpu_seconds": round(self.cpu_seconds, 4),
            "committed_seconds": self.committed_seconds and round(self.committed_seconds, 4),
        }
        tell(told)


def tell(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


def unsupported(why: str) -> NoReturn:
    """The answer of a system that cannot do what is asked."""
    tell({"unsupported": why})
    sys.exit(0)
