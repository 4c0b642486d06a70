"""Folds that keep the table of chats: each topic of the chain fills its part of the row."""

from collections.abc import Iterator

from schemas import AnalysisDone, ChatDeleted, ChatUploaded, Event, UsageRecorded
from soulfra import upload
from soulfra.usage import ANALYSES_DONE, BYTES_INGESTED
from streams.fold import Rows, fold
from topics import CHAT_ROWS
from topics.rows import row_key


@fold(AnalysisDone)
def meter_analyses(done: AnalysisDone, rows: Rows) -> Iterator[Event]:
    """The first analysis of a chat that is done is one used: asking again is free, and so is what failed.

    Declared before `keep_chats`: it looks at the row as it was.
    """
    before = rows.get(CHAT_ROWS, row_key(done.key, done.chat_id))
    again = before and (before.analysis or (before.deleted and done.attempt > 1))
    if not again:
        yield done.causes(UsageRecorded, meter=ANALYSES_DONE, quantity="1")


@fold(ChatDeleted, *upload.PARTS)
def keep_chats(event: Event, rows: Rows) -> None:
    """Each event that is a part of a chat's row is kept in it. Trust that moved without a chat has none."""
    if chat_id := getattr(event, "chat_id", None):
        key = row_key(event.key, chat_id)
        rows.put(CHAT_ROWS, key, upload.told(rows.get(CHAT_ROWS, key), event, chat_id, str(rows.at)))


@fold(ChatUploaded)
def meter_uploads(uploaded: ChatUploaded, rows: Rows) -> Iterator[Event]:
    """Bytes taken in are used bytes."""
    yield uploaded.causes(UsageRecorded, meter=BYTES_INGESTED, quantity=str(uploaded.size))
