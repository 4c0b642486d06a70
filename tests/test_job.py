"""The analysis job with real files and real processes, and records handed to it by hand: what it publishes, and what it
leaves on disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config import Settings
from config.objects import META, Objects, folder_of
from schemas import AnalysisDone, AnalysisFailed, AnalysisRequested, ChatDeleted, ChatUploaded, Event
from schemas.chat import Failure
from schemas.wire import decode, encode
from streams.analysis import Job
from streams.engine import Postponed
from tests.conftest import free_port
from topics import CHATS
from topics.place import partition_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
LONG = 120.0  # seconds; nothing here takes as long


class Log:
    """The job's side of the log: what it publishes, and whether its partitions are still its own."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.ours = True
        self.producer = SimpleNamespace(submit=self._submit)
        self.consumer = SimpleNamespace(wants=lambda topic, partition: self.ours)

    def _submit(self, topic: str, key: bytes, value: bytes, partition: int, at: None, headers: Any) -> None:
        self.published.append(decode(key, value, headers))


class Desk:
    """A job, its storage, and the chats that a test puts there."""

    def __init__(self, folder: Path, **worker: Any) -> None:
        self.folder = folder / "objects"
        redis = {"url": f"redis://127.0.0.1:{free_port()}/0"}  # away: progress is shown to nobody
        self.settings = Settings(
            objects={"url": self.folder.as_uri()}, redis=redis, local={"data": folder},
            worker={"analysis_processes": 2} | worker,
        )  # type: ignore[arg-type]  # fmt: skip
        self.log, self.objects = Log(), Objects(self.settings)
        self.job = Job(self.log, self.settings)  # type: ignore[arg-type]

    async def store(self, content: bytes, chat_id: str = "c1", size: int | None = None) -> ChatUploaded:
        folder = folder_of("main/u1", chat_id)
        await self.objects.write(f"{folder}/upload", content)
        await self.objects.write(f"{folder}/{META}", b"{}")
        return ChatUploaded(
            id=chat_id, source="soulfra/edge", time=NOON, user="u1", chat_id=chat_id, pointer=f"{folder}/upload",
            fingerprint="0" * 32, size=len(content) if size is None else size,
        )  # fmt: skip

    def begin(self, event: Event) -> asyncio.Task[None]:
        record, partition = encode(event), partition_of(event.key, self.settings.kafka.partitions)
        message = SimpleNamespace(
            topic=CHATS.name, partition=partition, key=record.key, value=record.value, headers=record.headers
        )
        return asyncio.ensure_future(self.job.take(message))

    async def take(self, *events: Event) -> list[Event]:
        """All at once, as they would be open together; what was published in the end."""
        await asyncio.wait_for(asyncio.gather(*map(self.begin, events)), LONG)
        return self.log.published

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    def away(self) -> None:
        self.folder.rename(self.folder.with_name("away"))

    def back(self) -> None:
        self.folder.with_name("away").rename(self.folder)


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Where the workspaces of workers are."""
    return tmp_path / "analysis"


@pytest.fixture
async def desk(tmp_path: Path, downloads: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.job.stop()


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(LONG):
        while not true():  # noqa: ASYNC110  (others make it so)
            await asyncio.sleep(0.01)


def deletion(chat_id: str = "c1") -> ChatDeleted:
    return ChatDeleted(id=f"{chat_id}.deleted", source="soulfra/edge", time=NOON, user="u1", chat_id=chat_id)


def asked(upload: ChatUploaded, attempt: int) -> AnalysisRequested:
    return AnalysisRequested(
        id=f"{upload.chat_id}.analysis-{attempt}", source="soulfra/edge", time=NOON, user="u1", chat_id=upload.chat_id,
        attempt=attempt, pointer=upload.pointer, size=upload.size,
    )  # fmt: skip


def large(sample: bytes) -> bytes:
    """An export that takes long enough to be met in the middle."""
    return json.dumps(json.loads(sample) * 60).encode()


async def test_a_failure_keeps_the_upload_and_another_attempt_has_events_of_its_own(desk: Desk, sample: bytes) -> None:
    upload = await desk.store(sample[: len(sample) // 2])
    first, again = await desk.take(upload, upload)
    assert isinstance(first, AnalysisFailed) and first == again and "upload" in desk.files()
    await desk.objects.write(upload.pointer, sample)  # what made it fail is gone
    published = await desk.take(asked(upload, 2), asked(upload, 2))
    second, repeated = published[2:]
    assert isinstance(second, AnalysisDone) and second.attempt == 2 and second.id == repeated.id
    assert "upload" in desk.files()


async def test_a_done_chat_that_is_asked_again_gives_the_same_result_under_new_ids(desk: Desk, sample: bytes) -> None:
    upload = await desk.store(sample)
    await desk.take(upload)
    first, second = await desk.take(asked(upload, 2))
    assert isinstance(first, AnalysisDone) and isinstance(second, AnalysisDone) and first.id != second.id
    envelope = {"id", "attempt"}
    assert first.model_dump(exclude=envelope) == second.model_dump(exclude=envelope)


async def test_nothing_is_published_of_a_chat_that_is_deleted_while_it_is_analysed(
    desk: Desk, downloads: Path, sample: bytes
) -> None:
    working = desk.begin(await desk.store(large(sample)))
    await until(lambda: list(downloads.glob("*/*/upload")))
    await desk.take(deletion())
    await asyncio.wait_for(working, LONG)
    assert desk.log.published == [] and desk.files() == [] and not list(desk.folder.iterdir())


async def test_nothing_is_published_of_a_chat_whose_deletion_comes_when_its_analysis_has_ended(
    desk: Desk, downloads: Path, sample: bytes
) -> None:
    """The result is there and waits for the storage when the deletion is read."""
    working = desk.begin(await desk.store(sample))
    await until(lambda: list(downloads.glob("*/*/upload")))
    desk.away()
    await until(lambda: not list(downloads.glob("*/*/upload")))
    deleting = desk.begin(deletion())
    await asyncio.sleep(0.1)
    desk.back()
    await asyncio.wait_for(asyncio.gather(working, deleting), LONG)
    assert desk.log.published == [] and desk.files() == []


async def test_nothing_is_published_of_a_chat_that_is_read_again_and_whose_deletion_follows(
    desk: Desk, sample: bytes
) -> None:
    """After a restart: the files went with the deletion, which stands further back in the log."""
    upload = await desk.store(sample)
    await desk.objects.remove_all(folder_of("main/u1", "c1"))
    assert await desk.take(upload, deletion()) == [] and desk.files() == []


async def test_a_chat_deleted_after_its_analysis_keeps_its_event_and_no_file(desk: Desk, sample: bytes) -> None:
    await desk.take(await desk.store(sample))
    [done] = await desk.take(deletion())
    assert isinstance(done, AnalysisDone) and desk.files() == [] and not list(desk.folder.iterdir())


async def test_a_deletion_leaves_no_file_whenever_it_comes(desk: Desk, sample: bytes) -> None:
    """Somewhere between download, analysis, result and event."""
    for n in range(12):
        working = desk.begin(await desk.store(sample, f"c{n}"))
        await asyncio.sleep(0.03 * n)
        await desk.take(deletion(f"c{n}"))
        await asyncio.wait_for(working, LONG)
        assert desk.files() == [], n


async def test_an_upload_that_is_gone_without_a_deletion_is_said_to_be_missing(desk: Desk, sample: bytes) -> None:
    upload = await desk.store(sample)
    await desk.objects.remove_all(folder_of("main/u1", "c1"))
    [failed] = await desk.take(upload)
    assert isinstance(failed, AnalysisFailed) and failed.reason is Failure.MISSING and desk.files() == []


async def test_while_the_storage_is_away_a_chat_waits_and_is_analysed_when_it_is_back(
    desk: Desk, sample: bytes
) -> None:
    upload = await desk.store(sample)
    desk.away()
    working = desk.begin(upload)
    await asyncio.wait([working], timeout=1.5)
    assert not working.done() and desk.log.published == [] and desk.job.running == 1
    desk.back()
    await asyncio.wait_for(working, LONG)
    assert [type(event) for event in desk.log.published] == [AnalysisDone]


async def test_a_chat_that_waits_for_the_storage_is_given_back_when_its_partition_goes(
    desk: Desk, sample: bytes
) -> None:
    upload = await desk.store(sample)
    desk.away()
    working = desk.begin(upload)
    await asyncio.wait([working], timeout=0.5)
    desk.log.ours = False
    with pytest.raises(Postponed):
        await asyncio.wait_for(working, LONG)
    assert desk.log.published == []


async def test_downloads_take_no_more_disk_than_is_set_whatever_the_events_say(
    tmp_path: Path, downloads: Path, sample: bytes
) -> None:
    content = json.dumps(json.loads(sample) * 5).encode()
    desk, most = Desk(tmp_path, analysis_disk=len(content) * 5 // 2), 0
    try:
        uploads = [await desk.store(content, f"c{n}", size=0) for n in range(6)]
        working = asyncio.gather(*map(desk.begin, uploads))

        def ended() -> bool:
            nonlocal most
            most = max(most, len(list(downloads.glob("*/*/upload"))))
            return working.done()

        await until(ended)
        await working
        assert len(desk.log.published) == 6 and 0 < most <= 2
    finally:
        desk.job.stop()
