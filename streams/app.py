"""How a Faust app of ours is set, started and stopped. It runs on the engine (docs/engine.md)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from threading import Event
from typing import Any

from config import FAILPOINT, Settings, metrics
from schemas import Malformed
from streams import engine
from streams.engine import Letter, Stopped
from streams.engine.recovery import HeldBack
from topics import Topic
from topics.broker import client

log = logging.getLogger("soulfra.streams")

__all__ = ["Stopped", "make", "serve", "source"]


def make(group: str, settings: Settings, pipeline: str, exactly: bool) -> engine.App:
    """An app of tables (exactly once) or of jobs (at least once)."""
    kafka = settings.kafka
    options = engine.Options(
        client=client(kafka, pipeline),
        instance=settings.worker.instance,
        stuck_after=settings.worker.stuck_seconds,
        long_events=not exactly,
        dead_letter=lambda letter: dead(pipeline, letter),
        at_step=failpoint(os.environ.get(FAILPOINT, "")),
    )
    return engine.App(
        group,
        engine=options,
        broker=[f"librdkafka://{address.strip()}" for address in kafka.bootstrap.split(",")],
        processing_guarantee="exactly_once" if exactly else "at_least_once",
        store="memory://",
        datadir=settings.local.data / "tables",
        topic_partitions=kafka.partitions,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        logging_config={"version": 1, "incremental": True},
    )


def source(app: engine.App, topic: Topic) -> Any:
    """The topic as raw records: what cannot be decoded must reach us, to be dead-lettered."""
    return app.topic(
        topic.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
    )


def dead(pipeline: str, letter: Letter) -> Letter | None:
    """The letter with our reason. What our own code says about an event may quote it, so it stays in the log."""
    reason = _reason(letter.why)
    metrics.DEAD.labels(letter.topic, reason).inc()
    metrics.EVENT_ERRORS.labels(pipeline, letter.topic, type(letter.why).__name__, "dlq").inc()
    told = engine.letter(letter)
    hidden = "__streams.errors.message" if reason == "failed" else "__streams.errors.stacktrace"
    headers = [(name, b"" if name == hidden else value) for name, value in told.headers]
    return replace(told, headers=[*headers, ("soulfra.reason", reason.encode())])


def _reason(why: BaseException) -> str:
    if isinstance(why.__cause__, Malformed):
        return "malformed"
    return "refused" if isinstance(why, engine.Refused) else "failed"


def failpoint(where: str) -> Callable[[str], None] | None:
    """Ends the process, as `kill -9` would, at a step of a commit: `flushed:3` at that step of the third."""
    if not where:
        return None
    step, _, text = where.partition(":")
    left = int(text or 1)

    def at_step(reached: str) -> None:
        nonlocal left
        left -= reached == step
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_step


DRAIN = 20.0  # seconds
CRIES = ("faust.agents.actor", "mode.supervisors", "asyncio")  # loggers that call what is broken off at the end a crash
MEND = "`soulfra doctor --mend` ends a transaction that Kafka has left hanging"


def held_back(app: engine.App) -> str:
    """Whose transactions a take-over waits for, longer than it should have to."""
    held: str = app.consumer.ownership.held if app.started and app.begun else ""
    return f"{held}; {MEND}" if held else ""


def paused(app: engine.App) -> str:
    """The partitions that wait for a newer release, a sentence each."""
    return "; ".join(sorted(app.consumer.ownership.halted.values()))


async def serve(app: engine.App, beside: list[Callable[[], Awaitable[None]]], stop: Event | None = None) -> None:
    """Runs the app and what runs beside it until SIGTERM or Ctrl-C, or `stop` is set. Raises Stopped when something broke."""
    asked = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, asked.set)
    if stop is not None and stop.is_set():
        return
    tasks = [asyncio.ensure_future(run()) for run in (lambda: _works(app), *beside, asked.wait)]
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await _stop(app)
    for task in ended:
        task.result()


async def _stop(app: engine.App) -> None:
    """What is under way ends and is committed, if that takes no longer than DRAIN."""
    stopping = asyncio.ensure_future(app.stop())
    ended, _ = await asyncio.wait([stopping], timeout=DRAIN)
    if ended:
        stopping.result()
        return
    log.warning("the worker did not drain within %.0f s; what is uncommitted will be worked on again", DRAIN)
    for name in CRIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    stopping.cancel()
    await asyncio.wait([stopping])


async def _works(app: engine.App) -> None:
    """Starts it, which takes as long as reading the tables back does; ends only with what ended the app."""
    starting = asyncio.ensure_future(app.start())
    while not app.crashed:
        if starting.done():
            starting.result()
        await asyncio.sleep(0.2)
    reason = app.crash_reason
    if isinstance(reason, Stopped):
        raise Stopped(f"{reason}; {MEND}") if isinstance(reason.__cause__, HeldBack) else reason
    raise Stopped(f"Faust crashed: {reason!r}")
