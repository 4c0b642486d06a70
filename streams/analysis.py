"""`soulfra worker analysis`: a job. Reads each uploaded chat from the object storage, analyses it in a process of its
own, stores the full result beside it and publishes the numbers. At least once: a result that is there is published again.

Nothing is deleted because an analysis failed, and nothing is published about a chat whose deletion was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from faust.types import StreamT

from config import Settings, metrics
from config.keys import keyed
from config.objects import META, UPLOAD, Missing, Objects, Unavailable, began_of, failure_of, folder_of, result_of
from config.telemetry import LABELS, TRACE, Health, Heartbeat
from schemas import AnalysisDone, AnalysisFailed, AnalysisRequested, ChatDeleted, ChatUploaded, Event, Malformed
from schemas.chat import Failure, InsightNumber
from schemas.extensions import trace_of
from schemas.wire import Headers, Unknown, decode, encode
from soulfra.analysis import VERSION, Analysis, encoded
from soulfra.chat import Unreadable
from streams import app as apps
from streams import engine, memory, start
from streams.analysts import ATTEMPTS, CANCELLED, Analysts, Cancelled, Work, forget, show
from streams.app import source
from streams.contracts import Contracts
from streams.deletions import Deletions
from streams.engine import Refused
from streams.failed import Failed, broken, from_json, missing, to_json
from streams.ledger import headers_of
from streams.patience import Patience
from streams.pool import Died, Ended, TooSlow
from streams.progress import Progress, unready
from streams.room import Room
from streams.wording import in_other_words
from streams.workspace import Workspace
from topics import ANALYSES, ANALYSIS_APP, CHATS
from topics.copy import progress_key
from topics.place import partition_of

log = logging.getLogger("soulfra.analysis")

PIPELINE = "analysis"
OPEN = 64  # events worked on at a time; they finish in any order, offsets commit up to the first unfinished one

Request = ChatUploaded | AnalysisRequested  # the first attempt at a chat, and further ones


class Job:
    """Works on the chats of the partitions this process owns. Raises Stopped where memory is too little."""

    def __init__(self, app: engine.App, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.objects, self.contracts = Objects(settings, make=False), Contracts(settings)
        self.running = 0
        self._last = time.monotonic()
        worker = settings.worker
        processes = worker.analysis_processes or os.cpu_count() or 1
        each = worker.analysis_memory or memory.share(processes, memory.container_limit())
        self._analysts = Analysts(processes, worker.analysis_seconds, each)
        self._workspace = Workspace(settings.local.data / "analysis")
        self._disk = Room(worker.analysis_disk)
        self._company = Room(OPEN)  # a chat at which a worker died is analysed alone
        self._deletions = Deletions(settings)
        self._folders: dict[str, set[Path]] = defaultdict(set)  # of the chats that are analysed now
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # one attempt at a chat at a time

    def stop(self) -> None:
        self._analysts.stop()
        self._workspace.close()

    @property
    def last(self) -> float:
        """When something moved last, by the monotonic clock."""
        return max(self._last, self._analysts.last_end)

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
        metrics.ANALYSING.set(self.running)
        try:
            await self._work(event, lambda: self.app.consumer.wants(message.topic, message.partition))
        finally:
            self.running -= 1
            metrics.ANALYSING.set(self.running)
            self._last = time.monotonic()

    async def _decoded(self, message: Any, headers: Headers) -> Event:
        """Raises Malformed or Refused; Unready for an event of a newer release, in front of which the partition stops."""
        decoded = partial(decode, message.key, message.value, headers, self.contracts.foreign)
        try:
            return decoded()
        except Unknown as unknown:
            return await self.contracts.learned(unknown, message.timestamp, decoded)

    async def _work(self, event: Event, ours: Callable[[], bool]) -> None:
        if isinstance(event, ChatDeleted):
            await self._delete(event, Patience(ours, self._wait))
        elif isinstance(event, Request):
            LABELS.set((("chat", event.chat_id),))
            patience = Patience(ours, lambda why, since: self._wait(why, since, event))
            turn = self._turns.setdefault(event.chat_id, asyncio.Lock())
            async with turn:
                if (answer := await self._answer(event, patience)) is not None:
                    self._publish(answer)

    async def _delete(self, event: ChatDeleted, patience: Patience) -> None:
        self._deletions.add(event.chat_id)
        for folder in self._folders.get(event.chat_id, ()):
            (folder / CANCELLED).touch()
        await patience(self.objects.remove_all, folder_of(event.key, event.chat_id))
        await self._forget(event)

    async def _answer(self, event: Request, patience: Patience) -> Event | None:
        """What is to be published; nothing once the chat's deletion was seen."""
        started, folder = time.perf_counter(), folder_of(event.key, event.chat_id)
        answer, outcome = None, "deleted"
        if event.chat_id not in self._deletions:
            with contextlib.suppress(Cancelled):
                answer = await self._analysis(event, folder, patience)
                if not await patience(self.objects.exists, f"{folder}/{META}"):
                    answer = await self._without_folder(event, answer, folder, patience)
        if answer:
            outcome = "done" if isinstance(answer, AnalysisDone) else "failed"
            await self._show(event, 1.0, outcome)
        if event.chat_id in self._deletions or answer is None:
            log.info("chat %s: deleted while it was analysed", event.chat_id)
            await patience(self.objects.remove_all, folder)
            await self._forget(event)
            return None
        took = time.perf_counter() - started
        metrics.ANALYSIS.labels(outcome).observe(took)
        log.info("chat %s: analysis %s after %.2f s", event.chat_id, outcome, took)
        return answer

    async def _without_folder(self, event: Request, answer: Event, folder: str, patience: Patience) -> Event | None:
        """The chat's files were removed: it was deleted, or the edge could not tell whether its upload was published."""
        if await self._deletions.expected(event.key, event.chat_id):
            return None
        if await patience(self.objects.exists, f"{folder}/{META}"):  # uploaded again under the same Idempotency-Key
            return await self._analysis(event, folder, patience) if isinstance(answer, AnalysisFailed) else answer
        await patience(self.objects.remove_all, folder)
        return self._failed(event, missing(), folder)

    async def _analysis(self, event: Request, folder: str, patience: Patience) -> Event:
        """Raises Cancelled."""
        try:
            return self._done(event, await self._result(event, folder, patience), folder)
        except Failed as failed:
            if failed.reason is not Failure.MISSING and not failed.kept:
                await patience(self.objects.write, failure_of(folder, VERSION, _attempt(event)), to_json(failed))
            return self._failed(event, failed, folder)

    async def _result(self, event: Request, folder: str, patience: Patience) -> Analysis:
        """The stored result, or a new one. Raises Failed or Cancelled."""
        with contextlib.suppress(Missing, msgspec.DecodeError):
            stored = await patience(self.objects.read, result_of(folder, VERSION))
            return msgspec.json.decode(stored, type=Analysis)
        with contextlib.suppress(Missing, msgspec.DecodeError):
            raise from_json(await patience(self.objects.read, failure_of(folder, VERSION, _attempt(event))))
        try:
            result = await self._new_result(event, patience)
        except Missing:
            raise missing() from None
        result = await in_other_words(result, self.settings.wording)
        await patience(self.objects.write, result_of(folder, VERSION), encoded(result))
        return result

    async def _new_result(self, event: Request, patience: Patience) -> Analysis:
        """Downloads the file when there is room for it. Raises Missing, Failed or Cancelled."""
        size = max(event.size, await patience(self.objects.size, event.pointer))
        async with contextlib.AsyncExitStack() as held:
            deaths = await self._deaths(event, patience)
            await patience.wait(held.enter_async_context(self._company.hold(OPEN + 1 if deaths else 1)))
            await patience.wait(held.enter_async_context(self._disk.hold(size)))
            await held.enter_async_context(self._begun(event, deaths, patience))
            await self._show(event, 0.0, "analysing")
            workspace = Path(held.enter_context(self._workspace.task()))
            self._folders[event.chat_id].add(workspace)
            held.callback(self._leave, event.chat_id, workspace)
            file = await patience(self.objects.fetch, event.pointer, workspace / UPLOAD)
            if event.chat_id in self._deletions:
                raise Cancelled
            return await self._analysed(event, file)

    async def _deaths(self, event: Request, patience: Patience) -> int:
        """How often a worker died at this attempt. Raises Failed at the third time."""
        deaths = 0
        with contextlib.suppress(Missing, ValueError):
            deaths = int(await patience(self.objects.read, _mark(event)))
        if deaths >= ATTEMPTS:
            await self._unmark(event)
            raise broken()
        return deaths

    @contextlib.asynccontextmanager
    async def _begun(self, event: Request, deaths: int, patience: Patience) -> AsyncIterator[None]:
        """Counts beside the chat, where it survives, until the work has ended in any way but death."""
        await patience(self.objects.write, _mark(event), str(deaths + 1).encode())
        try:
            yield
        finally:
            await self._unmark(event)

    async def _unmark(self, event: Request) -> None:
        """While the storage is away the mark stays: it only makes the next attempt a lonely one."""
        with contextlib.suppress(Unavailable):
            await self.objects.remove(_mark(event))

    def _leave(self, chat_id: str, workspace: Path) -> None:
        self._folders[chat_id].discard(workspace)
        if not self._folders[chat_id]:
            del self._folders[chat_id]

    async def _analysed(self, event: Request, file: Path) -> Analysis:
        """In a process of its own. Raises Failed or Cancelled."""
        work = Work(
            str(file), event.format, self.settings.edge.upload_limit, self._progress_key(event), self._redis_url
        )
        try:
            return await self._analysts.analyse(work)
        except Unreadable as unreadable:
            raise Failed(Failure.UNREADABLE, unreadable.reason, unreadable.place) from None
        except TooSlow:
            limit = f"{self.settings.worker.analysis_seconds:.0f} seconds"
            raise Failed(Failure.TOO_SLOW, f"the analysis took more than {limit}; upload a part of the chat") from None
        except MemoryError:
            raise Failed(Failure.TOO_LARGE, "reading the chat takes too much memory; upload a part of it") from None
        except Died:
            raise broken() from None
        except Ended:
            raise engine.Postponed from None
        except Cancelled:
            raise
        except Exception:
            log.exception("the analysis failed in our own code")
            raise broken() from None

    def _done(self, event: Request, result: Analysis, folder: str) -> AnalysisDone:
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
            attempt=_attempt(event),
        )

    def _failed(self, event: Request, failed: Failed, folder: str) -> AnalysisFailed:
        """The sentence stays with the chat, for its owner; so does the file, for another attempt."""
        attempt = _attempt(event)
        return event.causes(
            AnalysisFailed,
            chat_id=event.chat_id,
            reason=failed.reason,
            place=failed.place if failed.place.startswith(("line ", "byte ")) else "",
            pointer=failure_of(folder, VERSION, attempt),
            analyser=VERSION,
            attempt=attempt,
        )

    def _publish(self, event: Event) -> None:
        """Goes out before the upload counts as read."""
        record, partition = encode(event, TRACE.get()), partition_of(event.key, self.settings.kafka.partitions)
        self.app.producer.submit(ANALYSES.name, record.key, record.value, partition, None, record.headers)

    @property
    def _redis_url(self) -> str:
        return self.settings.redis.url.get_secret_value()

    def _progress_key(self, event: Request | ChatDeleted) -> str:
        return progress_key(partition_of(event.key, self.settings.kafka.partitions), event.chat_id)

    async def _show(self, event: Request, share: float, stage: str, **more: str) -> None:
        await asyncio.to_thread(show, self._redis_url, self._progress_key(event), share, stage, **more)

    async def _forget(self, event: Request | ChatDeleted) -> None:
        await asyncio.to_thread(forget, self._redis_url, self._progress_key(event))

    async def _wait(self, why: str, since: datetime, event: Request | None = None) -> None:
        """Waiting is no standing still, and the chat's owner sees why."""
        self._last = time.monotonic()
        if event is not None and event.chat_id not in self._deletions:
            await self._show(event, 0.0, "waiting", reason=why, since=since.isoformat())


def _attempt(event: Request) -> int:
    return event.attempt if isinstance(event, AnalysisRequested) else 1


def _mark(event: Request) -> str:
    return began_of(folder_of(event.key, event.chat_id), VERSION, _attempt(event))


def run(settings: Settings) -> None:
    """Runs until it is told to stop. Raises Differs or Stopped with a sentence."""
    start.run(settings, settings.telemetry.analysis_port, lambda _, *given: asyncio.run(work(settings, *given)))


async def work(settings: Settings, health: Health, stop: threading.Event) -> None:
    app = apps.make(ANALYSIS_APP, settings, "analysis", exactly=False)
    job = Job(app, settings)

    async def analyse_chats(records: StreamT[bytes]) -> None:
        async for event in records.events():
            await job.take(event.message)

    app.agent(source(app, CHATS), name="analyse chats", concurrency=OPEN)(analyse_chats)
    progress, heart = Progress(app, ANALYSIS_APP), Heartbeat()
    health.live = lambda: heart.stopped(settings.worker.stuck_seconds) or stuck(job, settings)
    health.ready = lambda: unready(app)
    try:
        await apps.serve(app, [heart.run, progress.run], stop)
    finally:
        job.stop()


def stuck(job: Job, settings: Settings) -> str:
    """Open events and none finished for longer than one analysis may take."""
    bound = settings.worker.analysis_seconds + settings.worker.stuck_seconds
    return (
        f"{job.running} analyses are open and none ended for {bound:.0f} s"
        if job.running and time.monotonic() - job.last > bound
        else ""
    )
