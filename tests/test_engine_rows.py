"""Rows and their undoing, without a broker; and that the compiled part and Python do the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import engine
from streams.engine.codec import codec
from streams.engine.compiled import quick
from streams.engine.position import Position, encode
from streams.engine.rows import GONE, Rows, StoredRows
from streams.engine.shard import Cursor, Shard, current
from topics.rows import PositionRow

PLAIN = codec("json", "json", None, None, None, None)
PURE = "import sys; sys.modules['streams.engine._quick'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.fixture(params=["memory", "rocksdb"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rows]:
    made = Rows(PLAIN) if request.param == "memory" else StoredRows(PLAIN, tmp_path / "t", 10)
    yield made
    made.close()


@pytest.fixture
def table(rows: Rows, tmp_path: Path) -> Iterator[Any]:
    """A table as an agent sees it, whose rows hold `a`."""
    rows.load({b'"a"': b"1"}, None, 1)
    app = engine.App("rows", broker="librdkafka://127.0.0.1:1", datadir=tmp_path, web_enabled=False)
    made: Any = app.Table("t", default=int)
    cursor = Cursor()
    cursor.batch = "one in hand"
    cursor.enter(Shard(0, [rows]))
    token = current.set(cursor)
    made.cursor = cursor
    yield made
    current.reset(token)


def fails(table: Any) -> None:
    """The event in hand leaves no trace; the next one is in hand."""
    table.cursor.shard.undo(table.cursor.number)
    table.cursor.number += 1


def test_what_was_written_is_read_and_what_is_not_there_has_the_default(table: Any) -> None:
    table["b"] = 2
    table["b"] += 5
    del table["a"]
    assert (table["a"], table["b"], table["c"]) == (0, 7, 0)
    assert "a" not in table and "b" in table
    assert dict(table.items()) == {"b": 7}


def test_an_undone_write_restores_the_row(table: Any) -> None:
    table["a"] = 5
    table["a"] = 6
    table["b"] = 1
    fails(table)
    assert (table["a"], "b" in table) == (1, False)


def test_an_undone_deletion_restores_the_row(table: Any) -> None:
    del table["a"]
    fails(table)
    assert table["a"] == 1 and list(table) == ["a"]


def test_an_undone_write_over_a_deletion_leaves_it_deleted(table: Any) -> None:
    del table["a"]
    table.cursor.number += 1
    table["a"] = 9
    fails(table)
    assert "a" not in table and table["a"] == 0


KEYS = ["a", "b", "c"]


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 1), st.sampled_from(["write", "write", "delete", "done", "undo"]), st.sampled_from(KEYS)
        ),
        max_size=30,
    )
)
def test_what_is_left_are_the_writes_of_the_events_that_did_not_fail(tmp_path_factory: Any, steps: list[Any]) -> None:
    """Two streams write to the same rows in turn: each step is a write, or the end of an event of one of them."""
    rows = Rows(PLAIN)
    rows.load({b'"a"': b"1"}, None, 1)
    shard = Shard(0, [rows])
    app = engine.App(
        "two", broker="librdkafka://127.0.0.1:1", datadir=tmp_path_factory.mktemp("two"), web_enabled=False
    )
    table: Any = app.Table("t", default=int)
    streams = [Hand(shard), Hand(shard)]
    written: list[tuple[int, str, int]] = []  # event, key, value or 0 for a deletion
    failed: set[int] = set()
    for n, (which, what, key) in enumerate(steps, 2):
        stream = streams[which]
        event = stream.cursor.number
        if what == "write":
            copy_context().run(stream.writes, table, key, n)
            written.append((event, key, n))
        elif what == "delete" and key in rows:
            copy_context().run(stream.writes, table, key, None)
            written.append((event, key, 0))
        elif what == "undo":
            shard.undo(event)
            failed.add(event)
            stream.next()
        elif what == "done":
            stream.next()
    expected = {"a": 1} | {key: value for event, key, value in written if event not in failed}
    assert rows == {key: value for key, value in expected.items() if value}
    (changes, _), kept = shard.take(), {key for event, key, _ in written if event not in failed}
    changed = {key: value for change in changes for key, value in change.rows.items()}
    assert changed == {key: rows.get(key, GONE) for key in kept}
    assert not any(log.rows or log.writes() for log in shard.logs)


class Hand:
    """A stream with an event in hand, as the compiled step leaves it."""

    def __init__(self, shard: Shard) -> None:
        self.cursor = Cursor()
        self.cursor.batch, self.cursor.limit = "one in hand", 1 << 62
        self.cursor.enter(shard)
        if quick:
            self.values = quick.Values()
            self.values.open(self.cursor, list(range(100)), 0)
            self.values.take()

    def writes(self, table: Any, key: str, value: int | None) -> None:
        current.set(self.cursor)
        if value is None:
            del table[key]
        else:
            table[key] = value

    def next(self) -> None:
        if quick:
            anext(self.values)
            self.values.take()
        else:
            self.cursor.number += 1


def test_only_what_was_there_can_be_deleted(table: Any) -> None:
    with pytest.raises(KeyError):
        del table["zzz"]


@pytest.mark.parametrize("value", [[], {}, set(), bytearray()])
def test_a_value_that_can_be_changed_in_place_is_refused(table: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="use a tuple"):
        table["a"] = value
    assert table["a"] == 1


def test_a_key_that_cannot_be_a_key_is_refused(table: Any) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        table[[]] = 1
    fails(table)
    assert table["a"] == 1


def test_rows_are_there_before_and_after_they_are_in_rocksdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Committed rows are read back wherever they are, and a store that was never closed goes on from what it holds."""
    monkeypatch.setattr("streams.engine.rows.MOST", 5)
    monkeypatch.setattr("streams.engine.rows.PORTION", 2)
    made = StoredRows(PLAIN, tmp_path / "t", 0)
    made.load({b'"%d"' % n: b"%d" % n for n in range(7)}, b"p7", 7)  # enough to be written at once
    made.keep({b'"1"': None, b'"2"': b"20", b'"8"': b"8"}, b"p9", 9)  # put off
    made.settle(())  # nothing is cached from here on
    expected = {"0": 0, "2": 20, "3": 3, "4": 4, "5": 5, "6": 6, "8": 8}
    assert len(made) == 0 and len(made.later) == 3
    assert sorted(made.everything()) == sorted(expected)
    assert {key: made[key] for key in expected} == expected
    with pytest.raises(KeyError):
        made["1"]
    shutil.copytree(tmp_path / "t", tmp_path / "killed")
    killed = StoredRows(PLAIN, tmp_path / "killed", 0)
    assert (killed.start, killed.position, killed["1"], killed["2"]) == (7, b"p7", 1, 2)
    made.close()
    again = StoredRows(PLAIN, tmp_path / "t", 0)
    assert (again.start, again.position) == (9, b"p9") and sorted(again.everything()) == sorted(expected)
    for one in (again, killed):
        one.close()


def test_the_position_is_the_same_record_on_both_sides() -> None:
    ours, theirs = Position.__struct_fields__, PositionRow.__struct_fields__
    assert ours == theirs
    written = encode(Position({"clicks": 3}, {"clicks": "id"}, None))
    assert msgspec.structs.astuple(msgspec.json.decode(written, type=PositionRow)) == (
        {"clicks": 3},
        {"clicks": "id"},
        None,
    )


@pytest.mark.skipif(quick is None, reason="the compiled part is not here, so everything runs without it anyway")
def test_without_the_compiled_part_everything_is_the_same() -> None:
    """This file, and what the engine's own tests do on a broker with tables that are undone, restarted and windowed."""
    chosen = (
        "row or undone or deleted or restarted or leaves_no_trace or cannot_be_decoded or window or without_a_broker"
    )
    words = ["-q", "-x", "-p", "no:cacheprovider", "tests/test_engine_rows.py", "tests/test_engine.py", "-k", chosen]
    done = subprocess.run(
        [sys.executable, "-c", PURE, *words], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
