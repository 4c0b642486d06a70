"""Where the rows of one table and partition lie: in memory, or in RocksDB behind a cache.

Both are dictionaries: what an agent reads and writes is a plain look-up. RocksDB is written some time after the commit, the
changelog offset behind the rows, so it never holds what the log does not; what it does not hold yet is read back from there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from streams.engine.codec import Codec

GONE: Any = type("Gone", (), {"__repr__": lambda _: "GONE"})()  # in the place of a value: there is none


LATER, MOST = 5.0, 100_000  # seconds, and rows, that writing to RocksDB is put off
PORTION = 2_000  # rows written in one go: it keeps the interpreter

NOT_HERE: Any = object()


class Rows(dict[Any, Any]):
    """In memory. Read back whole from the changelog."""

    start = 0  # changelog offset from which a recovery reads
    position: bytes | None = None  # the position record that goes with it

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec

    def load(self, raw: Mapping[bytes, bytes | None], position: bytes | None, end: int) -> None:
        """Newest bytes by key, as a recovery reads them, the position record among them; `end` is the next offset."""
        codec = self.codec
        if None in raw.values():
            for key in codec.decode_keys([key for key, value in raw.items() if value is None]):
                self.pop(key, None)
            raw = {key: value for key, value in raw.items() if value is not None}
        self.update(zip(codec.decode_keys(raw), codec.decode_values(raw.values()), strict=True))  # type: ignore[arg-type]

    def keep(self, raw: Mapping[bytes, bytes | None], position: bytes | None, end: int) -> None:
        """After a commit: nothing to do, the log has it."""

    def settle(self, uncommitted: Iterable[Any]) -> None:
        """After a commit was kept."""

    def forget(self) -> None:
        """The changelog is another one than these rows come from."""
        self.clear()

    def restore(self, key: Any, value: Any) -> None:
        """Undoes a write."""
        if value is GONE:
            self.pop(key, None)
        else:
            self[key] = value

    def delete(self, key: Any) -> None:
        """Raises KeyError."""
        del self[key]

    def everything(self) -> Iterator[Any]:
        """The keys of all rows."""
        return iter(self)

    def close(self) -> None:
        """Nothing is open."""


class StoredRows(Rows):
    """In RocksDB; this dictionary is the cache, which also holds what is not yet committed.

    A row that changes again and again is written to RocksDB once in a while, not at each commit.
    """

    OFFSET, POSITION = b"\xff@next", b"\xff@position"  # no key: JSON and UTF-8 have no such byte

    def __init__(self, codec: Codec, folder: Path, cached: int) -> None:
        super().__init__(codec)
        self.folder, self.cached = folder, cached
        self.gone: set[Any] = set()  # deleted, and not yet in RocksDB
        self.later: dict[bytes, bytes | None] = {}  # committed, and not yet in RocksDB
        self._end, self._wrote = 0, time.monotonic()
        self._db = _opened(folder)
        self.start, self.position = int(self._db.get(self.OFFSET) or 0), self._db.get(self.POSITION)
        self.whole = not self.start  # nothing is in RocksDB that is not here: a new table is not looked for there

    def __missing__(self, key: Any) -> Any:
        if self.whole or key in self.gone:
            raise KeyError(key)
        raw_key = self.codec.encode_key(key)
        raw = self.later.get(raw_key, NOT_HERE)
        if raw is NOT_HERE:
            raw = self._db.get(raw_key)
        if raw is None:
            raise KeyError(key)
        (value,) = self.codec.decode_values([raw])
        self[key] = value
        return value

    def load(self, raw: Mapping[bytes, bytes | None], position: bytes | None, end: int) -> None:
        self.whole = False
        self.keep(raw, position, end)

    def keep(self, raw: Mapping[bytes, bytes | None], position: bytes | None, end: int) -> None:
        """The position record and the next changelog offset belong to it."""
        self.later.update(raw)
        self._end = end
        if position is not None:
            self.position = position
        if len(self.later) >= MOST or time.monotonic() - self._wrote > LATER:
            self._write()

    def _write(self) -> None:
        """The offset comes last: what is above it is read again. A reader finds a row in one place or the other at any time."""
        rows: Iterator[tuple[bytes, bytes | None]] = iter(self.later.items())
        while portion := list(islice(rows, PORTION)):
            self._write_portion(portion)
        position = [] if self.position is None else [(self.POSITION, self.position)]
        self._write_portion([(self.OFFSET, b"%d" % self._end), *position])
        self.later, self._wrote = {}, time.monotonic()

    def _write_portion(self, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
        import rocksdict

        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._db.write(batch)

    def settle(self, uncommitted: Iterable[Any]) -> None:
        """After a commit was kept: forgets deletions that are in it, and the cache where it is too large."""
        if self.gone:
            self.gone.intersection_update(uncommitted)
        if len(self) > self.cached:
            left = {key: dict.__getitem__(self, key) for key in uncommitted if key in self.keys()}
            self.clear()
            self.update(left)
            self.whole = False

    def restore(self, key: Any, value: Any) -> None:
        super().restore(key, value)
        if value is not GONE:  # a deletion is undone; a row that was set over one goes back to being gone
            self.gone.discard(key)

    def delete(self, key: Any) -> None:
        self[key]  # raises KeyError
        del self[key]
        self.gone.add(key)

    def everything(self) -> Iterator[Any]:
        yield from self
        later = self.later.copy()  # a commit may add to it meanwhile
        stored = (raw for raw in self._db.keys() if raw not in later)  # noqa: SIM118  (it is not a dictionary)
        for raw in chain([raw for raw, value in later.items() if value is not None], stored):
            if raw not in (self.OFFSET, self.POSITION):
                (key,) = self.codec.decode_keys([raw])
                if not dict.__contains__(self, key) and key not in self.gone:
                    yield key

    def forget(self) -> None:
        self.clear()
        self.later = {}
        self._db.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._db, self.start, self.position, self.whole = _opened(self.folder), 0, None, True

    def close(self) -> None:
        if self._end:
            self._write()
        self._db.close()


def _opened(folder: Path) -> Any:
    """Raw bytes in and out. A store that cannot be opened is made anew from the changelog."""
    import rocksdict

    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(64 * 1024 * 1024)
    options.set_max_write_buffer_number(3)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        db = rocksdict.Rdict(str(folder), options)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        db = rocksdict.Rdict(str(folder), options)
    return db
