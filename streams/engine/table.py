"""Faust's table: reading and writing a row is a dictionary's work; the changelog is written at the commit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from typing import Any

from faust.stores.base import Store as FaustStore
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.table import Table as FaustTable
from mode import Service

from streams.engine.codec import PLAIN, Codec, codec
from streams.engine.compiled import quick
from streams.engine.dead import Refused
from streams.engine.rows import GONE
from streams.engine.shard import current

MUTABLE = frozenset({list, dict, set, bytearray})
FIXED = frozenset({float, bool, type(None)})  # of one size
OUTSIDE = "Cannot modify table key from outside of stream iteration"


class Plain:
    """A table's look-ups, where `quick.c` could not be compiled."""

    number = 1 << 30  # of no table: it is not declared yet
    windowed = False

    def __getitem__(self, key: Any) -> Any:
        try:
            return current.get().rows[self.number][key]
        except LookupError:
            return self._absent(key)  # type: ignore[attr-defined]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._write(key, value)  # type: ignore[attr-defined]

    def __delitem__(self, key: Any) -> None:
        self._delete(key)  # type: ignore[attr-defined]


class Table(quick.Cells if quick else Plain, FaustTable[Any, Any]):  # type: ignore[misc]
    """An agent sees the rows of the partition it works on. `number` is the table's place in a shard's lists."""

    app: Any
    data: Any

    def using_window(self, window: Any, *, key_index: bool = False) -> Any:
        self.windowed = True
        return super().using_window(window, key_index=key_index)

    def _new_store(self) -> Store:
        return Store("memory://", self.app, self, table_name=self.name, loop=self.loop)

    @property
    def stored(self) -> bool:
        """Whether its rows lie in RocksDB."""
        return str(self._store or self.app.conf.store).startswith("rocksdb")

    @cached_property
    def codec(self) -> Codec:
        """JSON and bytes are written by the engine, everything else by Faust's serializers or the option `codec`."""
        if self.options and "codec" in self.options:
            return self.options["codec"]  # type: ignore[no-any-return]
        known, store = self.app.serializers, self.data

        def kind(type_: Any, serializer: Any) -> str:
            plain = serializer == "json" and type_ in PLAIN
            return "json" if plain else "raw" if serializer == "raw" and type_ in (None, bytes) else ""

        return codec(
            kind(self.key_type, self.key_serializer),
            kind(self.value_type, self.value_serializer),
            lambda key: known.dumps_key(self.key_type, key, serializer=self.key_serializer),
            lambda value: known.dumps_value(self.value_type, value, serializer=self.value_serializer),
            lambda raw: self._to_key(known.loads_key(self.key_type, raw, serializer=self.key_serializer)),
            store._decode_value,
        )

    def _absent(self, key: Any) -> Any:
        """Outside of a stream every partition of this process is looked at; else the default."""
        if current.get(None) is None:
            for rows in self.data.all():
                try:
                    return rows[key]  # not `in`, which would not look into RocksDB
                except KeyError:
                    pass
        return self.__missing__(key)

    def _write(self, key: Any, value: Any) -> None:
        if type(value) in MUTABLE:
            raise TypeError(f"{self.name}: a table's values cannot be changed in place, so none can be a "
                            f"{type(value).__name__}; use a tuple, a frozen class or bytes")  # fmt: skip
        try:
            cursor = current.get()
        except LookupError:
            raise TypeError(OUTSIDE) from None
        if type(value) not in FIXED:
            self._measure(key, value)
        number = self.number
        rows = cursor.rows[number]
        cursor.logs[number].note(key, value, rows.get(key, GONE), cursor.number)
        rows[key] = value
        if self.windowed:
            self._maybe_set_key_ttl(key, cursor.shard.number)

    def _measure(self, key: Any, value: Any) -> None:
        """Raises Refused for a row that the changelog could not take: its event fails alone, not the commit of all."""
        size, limit = (
            len(self.codec.encode_key(key)) + len(self.codec.encode_value(value)),
            self.app.engine.record_bytes,
        )
        if size > limit:
            raise Refused(f"a row of the table {self.name} would have {size} bytes, more than the {limit} that the broker takes; "
                          "keep what grows in rows of its own")  # fmt: skip

    def _delete(self, key: Any) -> None:
        cursor = current.get(None)
        if cursor is None:
            raise TypeError(OUTSIDE)
        rows = cursor.rows[self.number]
        before = rows[key]  # read from RocksDB, so that undoing it has something to restore
        rows.delete(key)
        cursor.logs[self.number].note(key, GONE, before, cursor.number)
        if self.windowed:
            self._maybe_del_key_ttl(key, cursor.shard.number)

    def __contains__(self, key: Any) -> bool:
        cursor = current.get(None)
        if cursor is None:
            return key in self.data
        try:
            cursor.rows[self.number][key]
        except KeyError:
            return False
        return True

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def clear(self) -> None:
        for key in list(self):
            del self[key]

    def on_key_set(self, key: Any, value: Any) -> None:
        """Faust calls it for what is written past `__setitem__`; here nothing is."""

    def on_key_del(self, key: Any) -> None:
        """Likewise."""


class Store(FaustStore[Any, Any]):
    """What Faust sees as a table's storage: the rows of all partitions of this process."""

    app: Any
    table: Any

    def all(self) -> Iterator[Any]:
        """Rows by partition; those of the partition at work alone, inside a stream."""
        cursor = current.get(None)
        if cursor is not None and cursor.batch is not None:
            return iter([cursor.rows[self.table.number]])
        return iter([shard.rows[self.table.number] for shard in self.app.consumer.work.shards.values()])

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(rows.everything() for rows in self.all())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, key: Any) -> Any:
        return self.table[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.table[key] = value

    def __delitem__(self, key: Any) -> None:
        del self.table[key]

    def __contains__(self, key: Any) -> bool:
        for rows in self.all():
            try:
                rows[key]
            except KeyError:
                continue
            return True
        return False

    def keys(self) -> Any:
        return list(self)

    def values(self) -> Any:
        return [self.table[key] for key in self]

    def items(self) -> Any:
        return [(key, self.table[key]) for key in self]

    def pop(self, key: Any, default: Any = None) -> Any:
        """Of Faust's cleaning of old windows: the changelog forgets them by its own retention."""
        for rows in self.all():
            if dict.__contains__(rows, key):
                return dict.pop(rows, key)
        return default

    def _clear(self) -> None:
        for key in list(self):
            del self.table[key]

    def persisted_offset(self, tp: Any) -> None:
        return None

    def reset_state(self) -> None: ...
    def apply_changelog_batch(self, *_: Any, **__: Any) -> None: ...
    async def backup_partition(self, *_: Any, **__: Any) -> None: ...
    def restore_backup(self, *_: Any, **__: Any) -> None: ...


class Recovered(Service):
    """What Faust's own parts ask of a recovery."""

    def __init__(self, tables: TableManager, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._tables = tables
        import asyncio

        self.completed = asyncio.Event()

    @property
    def in_recovery(self) -> bool:
        return not self._tables.app.consumer.ready()


class TableManager(FaustTableManager):
    """Numbers the tables; recovering them is the consumer's."""

    app: Any
    _recovery: Any

    @property
    def recovery(self) -> Any:
        if self._recovery is None:
            self._recovery = Recovered(self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    @property
    def numbered(self) -> list[Table]:
        """In the order in which they were declared."""
        return list(self.values())

    def add(self, collection: Any) -> Any:
        added: Any = super().add(collection)
        added.number = len(self) - 1
        return added

    async def on_start(self) -> None:
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        self._tables_registered.set()
        await self.recovery.start()

    async def on_stop(self) -> None:
        await self.recovery.stop()
        for table in self.values():
            await table.stop()

    def recovered(self, assigned: Any) -> None:
        """Everything that is ours is read back, as far as `ready()` says."""
        if not assigned or self.app.consumer.ready():
            self.on_actives_ready()
            self.recovery.completed.set()

    def on_partitions_revoked(self, revoked: Any) -> None: ...
    async def on_rebalance(self, *_: Any, **__: Any) -> None: ...
