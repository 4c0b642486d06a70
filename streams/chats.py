"""Folds that keep the table of chats: each topic of the chain fills its part of the row."""

from collections.abc import Iterator

from schemas import AnalysisDone, ChatUploaded, Event, UsageRecorded
from soulfra import upload
from streams.fold import Rows, fold
from topics import AGENTS, ANALYSES, CHAT_ROWS, CHATS, TRUST
from topics.rows import row_key


@fold(ANALYSES)
def meter_analyses(event: Event, rows: Rows) -> Iterator[Event]:
    """The first analysis of a chat that is done is one used: asking again is free, and so is what failed.

    Declared before `keep_chats`: it looks at the row as it was.
    """
    if isinstance(event, AnalysisDone):
        before = rows.get(CHAT_ROWS, row_key(event.key, event.chat_id))
        again = before and (before.analysis or (before.deleted and event.attempt > 1))
        if not again:
            yield event.causes(UsageRecorded, meter="analyses.done", quantity="1")


@fold(CHATS, ANALYSES, TRUST, AGENTS)
def keep_chats(event: Event, rows: Rows) -> None:
    """Whatever is said about a chat becomes part of its row."""
    if chat_id := getattr(event, "chat_id", None):
        key = row_key(event.key, chat_id)
        rows.put(CHAT_ROWS, key, upload.told(rows.get(CHAT_ROWS, key), event, chat_id, str(rows.at)))


@fold(CHATS)
def meter_uploads(event: Event, rows: Rows) -> Iterator[Event]:
    """Bytes taken in are used bytes."""
    if isinstance(event, ChatUploaded):
        yield event.causes(UsageRecorded, meter="bytes.ingested", quantity=str(event.size))
