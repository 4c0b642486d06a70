"""`soulfra worker analysis`: a job. Takes each uploaded chat from the object storage, analyses it in a process of its
own, stores the full result beside it and says the numbers. At least once: a result that is there is said again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from faust.types import StreamT

from config import Settings, metrics
from config.keys import keyed
from config.objects import META, UPLOAD, Missing, Objects, failure_of, folder_of, result_of
from config.telemetry import LABELS, TRACE, Health, serve
from schemas import AnalysisDone, AnalysisFailed, ChatDeleted, ChatUploaded, Event, Malformed
from schemas.chat import Failure, InsightNumber
from schemas.extensions import trace_of
from schemas.wire import Headers, Unknown, decode, encode
from soulfra.analysis import VERSION, Analysis, encoded
from soulfra.chat import Unreadable
from streams import app as apps
from streams import engine
from streams.analysts import CANCELLED, Analysts, Cancelled, Work, show, sweep, workspace_of
from streams.app import measure_paused, paused, source
from streams.contracts import Contracts
from streams.engine import Refused
from streams.ledger import headers_of
from streams.wording import in_other_words
from topics import ANALYSES, ANALYSIS_APP, CHATS
from topics.place import partition_of
from topics.plan import check

log = logging.getLogger("soulfra.analysis")

PIPELINE = "analysis"
OPEN = 64  # events worked on at a time; they finish in any order, offsets commit up to the first unfinished one
ATTEMPTS = 3  # at a file whose process dies


class Failed(Exception):
    """The chat cannot be analysed: why, and the sentence for its owner."""

    def __init__(self, reason: Failure, sentence: str, place: str = "") -> None:
        super().__init__(sentence)
        self.reason, self.sentence, self.place = reason, sentence, place


class Job:
    """Works on the chats of the partitions this process owns."""

    def __init__(self, app: engine.App, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.objects, self.contracts = Objects(settings), Contracts(settings)
        self.last = time.monotonic()
        self.running = 0
        self._analysts = Analysts(settings.worker.analysis_processes or os.cpu_count() or 1)
        self._open: dict[str, Path] = {}  # the folders of the chats that are analysed now

    def stop(self) -> None:
        self._analysts.stop()

    async def take(self, message: Any) -> None:
        """One record. What is malformed or lies in a wrong partition is the tables worker's to deal with."""
        headers = headers_of(message.headers)
        TRACE.set(trace_of(headers))
        try:
            event = await self._decoded(message, headers)
        except (Malformed, Refused):
            return
        if partition_of(event.key, self.settings.kafka.partitions) != message.partition:
            return
        metrics.EVENTS.labels(PIPELINE, message.topic).inc()
        self.running += 1
        try:
            await self._work(event)
        finally:
            self.running -= 1
            self.last = time.monotonic()
            metrics.PROGRESS.labels(message.topic, str(message.partition)).set(time.time())

    async def _decoded(self, message: Any, headers: Headers) -> Event:
        """Raises Malformed or Refused; Unready for an event of a newer release, in front of which the partition stops."""
        decoded = partial(decode, message.key, message.value, headers, self.contracts.foreign)
        try:
            return decoded()
        except Unknown as unknown:
            return await self.contracts.learned(unknown, message.timestamp, decoded)

    async def _work(self, event: Event) -> None:
        if isinstance(event, ChatDeleted):
            if folder := self._open.get(event.chat_id):
                (folder / CANCELLED).touch()
            await self.objects.remove_all(folder_of(event.key, event.chat_id))
        elif isinstance(event, ChatUploaded):
            LABELS.set((("chat", event.chat_id),))
            try:
                said = await self._answer(event)
            except Cancelled:
                log.info("chat %s: deleted while it was analysed", event.chat_id)
                await self.objects.remove_all(folder_of(event.key, event.chat_id))
                return
            if not await self.objects.exists(f"{folder_of(event.key, event.chat_id)}/{META}"):
                await self.objects.remove_all(folder_of(event.key, event.chat_id))  # deleted in the meantime
            self._say(said)

    async def _answer(self, event: ChatUploaded) -> Event:
        started, folder = time.perf_counter(), folder_of(event.key, event.chat_id)
        said: Event
        try:
            result = await self._result(event, folder)
            outcome, said = "done", self._done(event, result, folder)
        except Failed as failed:
            outcome, said = "failed", await self._failed(event, failed, folder)
        took = time.perf_counter() - started
        metrics.ANALYSIS.labels(outcome).observe(took)
        log.info("chat %s: analysis %s after %.2f s", event.chat_id, outcome, took)
        await self._show(event.chat_id, 1.0, outcome)
        return said

    async def _result(self, event: ChatUploaded, folder: str) -> Analysis:
        """The stored result, or a new one. Raises Failed."""
        with contextlib.suppress(Missing):
            return msgspec.json.decode(await self.objects.read(result_of(folder, VERSION)), type=Analysis)
        with contextlib.suppress(Missing):
            told = msgspec.json.decode(await self.objects.read(failure_of(folder, VERSION)), type=dict[str, str])
            raise Failed(Failure(told["reason"]), told["sentence"], told["place"])
        await self._show(event.chat_id, 0.0, "analysing")
        with workspace_of(os.getpid()) as workspace:
            try:
                file = await self.objects.fetch(event.pointer, Path(workspace) / UPLOAD)
            except Missing:
                raise Failed(Failure.MISSING, "the uploaded file is gone; upload it again") from None
            self._open[event.chat_id] = file.parent
            try:
                result = await self._analysed(event, file)
            finally:
                del self._open[event.chat_id]
        result = await in_other_words(result, self.settings.wording)
        await self.objects.write(result_of(folder, VERSION), encoded(result))
        return result

    async def _analysed(self, event: ChatUploaded, file: Path) -> Analysis:
        """In a process of its own, again when that dies. Raises Failed."""
        redis_url = self.settings.redis.url.get_secret_value()
        work = Work(str(file), event.format, self.settings.edge.upload_limit, event.chat_id, redis_url)
        for _ in range(ATTEMPTS):
            analysts = self._analysts
            try:
                metrics.ANALYSING.set(self.running)
                return await asyncio.wait_for(analysts.analyse(work), self.settings.worker.analysis_seconds)
            except Unreadable as unreadable:
                raise Failed(Failure.UNREADABLE, unreadable.reason, unreadable.place) from None
            except TimeoutError:
                self._renew(analysts)
                limit = f"{self.settings.worker.analysis_seconds:.0f} seconds"
                raise Failed(
                    Failure.TOO_SLOW, f"the analysis took more than {limit}; upload a part of the chat"
                ) from None
            except MemoryError:
                raise Failed(Failure.TOO_LARGE, "reading the chat takes too much memory; upload a part of it") from None
            except BrokenProcessPool:
                log.warning("an analysing process died; trying again")
                self._renew(analysts)
            except Cancelled:
                raise
            except Exception:
                log.exception("the analysis failed in our own code")
                break
        raise Failed(Failure.BROKEN, "the analysis broke on this file; it is our mistake, and it was noted")

    def _renew(self, analysts: Analysts) -> None:
        """Others in the place of broken or stuck ones, once."""
        if self._analysts is analysts:
            self._analysts = analysts.renewed()

    def _done(self, event: ChatUploaded, result: Analysis, folder: str) -> AnalysisDone:
        """The numbers of a result; names, quotes and titles stay behind."""
        return event.causes(
            AnalysisDone,
            chat_id=event.chat_id,
            format=result.format,
            conversations=result.conversations,
            messages=result.messages,
            visible=result.visible,
            participants=len(result.participants),
            insights=[
                InsightNumber(kind=one.kind, value=one.value, unit=one.unit, n=one.n, confidence=one.confidence)
                for one in result.insights
            ],
            style=dict(sorted(result.style.items())),
            quality=result.quality,
            secrets=result.secrets,
            fingerprints=[keyed(self.settings, digest.encode()) for digest in result.fingerprints],
            content=keyed(self.settings, result.content.encode()),
            pointer=result_of(folder, VERSION),
            analyser=VERSION,
        )

    async def _failed(self, event: ChatUploaded, failed: Failed, folder: str) -> AnalysisFailed:
        """The sentence stays with the chat, for its owner; the file goes."""
        told = {"reason": failed.reason.value, "sentence": failed.sentence, "place": failed.place}
        await self.objects.write(failure_of(folder, VERSION), msgspec.json.encode(told))
        await self.objects.remove(event.pointer)
        place = failed.place if failed.place.startswith(("line ", "byte ")) else ""
        pointer = failure_of(folder, VERSION)
        return event.causes(
            AnalysisFailed, chat_id=event.chat_id, reason=failed.reason, place=place, pointer=pointer, analyser=VERSION
        )

    def _say(self, event: Event) -> None:
        """Goes out before the upload counts as read."""
        record, partition = encode(event, TRACE.get()), partition_of(event.key, self.settings.kafka.partitions)
        self.app.producer.submit(ANALYSES.name, record.key, record.value, partition, None, record.headers)

    async def _show(self, chat_id: str, share: float, stage: str) -> None:
        await asyncio.to_thread(show, self.settings.redis.url.get_secret_value(), chat_id, share, stage)


async def run(settings: Settings) -> None:
    """Runs until it is told to stop. Raises Differs or Stopped with a sentence."""
    check(settings)
    sweep()
    app = apps.make(ANALYSIS_APP, settings, "analysis", exactly=False)
    job = Job(app, settings)

    async def analyse_chats(records: StreamT[bytes]) -> None:
        async for event in records.events():
            await job.take(event.message)

    app.agent(source(app, CHATS), name="analyse chats", concurrency=OPEN)(analyse_chats)
    health = Health(lambda: stuck(job, settings), lambda: unready(app))
    server = serve(settings.telemetry.host, settings.telemetry.analysis_port, health)
    try:
        await apps.serve(app, [lambda: watch(app)])
    finally:
        server.shutdown()
        job.stop()


async def watch(app: engine.App) -> None:
    while True:
        await asyncio.sleep(1)
        metrics.ASSIGNED.labels(ANALYSIS_APP).set(len(app.consumer.assignment()))
        measure_paused(app, ANALYSIS_APP)


def unready(app: engine.App) -> str:
    return paused(app) if app.started and app.begun and app.consumer.ready() else "no partitions are assigned yet"


def stuck(job: Job, settings: Settings) -> str:
    """Open events and none finished for longer than one analysis may take."""
    bound = settings.worker.analysis_seconds + settings.worker.stuck_seconds
    return (
        f"{job.running} analyses are open and none ended for {bound:.0f} s"
        if job.running and time.monotonic() - job.last > bound
        else ""
    )
