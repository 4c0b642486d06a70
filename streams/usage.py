"""Folds that keep usage: the verdict over an event and the total it changes are written by the same record."""

from schemas import UsageRecorded
from soulfra import usage
from streams.fold import Refused, Rows, fold
from topics import USAGE_ROWS, VERDICT_ROWS
from topics.rows import row_key


@fold(UsageRecorded)
def count_usage(event: UsageRecorded, rows: Rows) -> None:
    """The first record of an event counts, further ones are only noted. Raises Refused for a meter of our own."""
    if reason := usage.reserved(event):
        raise Refused(reason)
    mark = row_key(event.key, usage.verdict_key(event.source, event.id))
    before = rows.get(VERDICT_ROWS, mark)
    rows.put(VERDICT_ROWS, mark, usage.judged(before, event, rows.at.offset))
    if before is None or before.offset == rows.at.offset:
        total = row_key(event.key, usage.usage_key(event))
        rows.put(USAGE_ROWS, total, usage.counted(rows.get(USAGE_ROWS, total), event))
