"""Events as Faust shows them, made only when somebody looks."""

from __future__ import annotations

from typing import Any

import faust
from confluent_kafka import Message
from faust.types import TP


class Lazy:
    """Faust's message, read from librdkafka's on demand. Acknowledging is the engine's, by batch."""

    __slots__ = ("__weakref__", "_message", "generation_id", "span", "time_in", "time_out", "time_total")

    acked = tracked = True
    refcount = 0
    checksum = None

    def __init__(self, message: Message, generation_id: int = 0) -> None:
        self._message, self.generation_id = message, generation_id

    @property
    def topic(self) -> str:
        return self._message.topic() or ""

    @property
    def partition(self) -> int:
        return self._message.partition() or 0

    @property
    def tp(self) -> TP:
        return TP(self.topic, self.partition)

    @property
    def offset(self) -> int:
        return self._message.offset() or 0

    @property
    def key(self) -> bytes | None:
        return self._message.key()

    @property
    def value(self) -> bytes | None:
        return self._message.value()

    @property
    def headers(self) -> Any:
        return self._message.headers()

    @property
    def timestamp(self) -> float:
        """Seconds since 1970."""
        return self._message.timestamp()[1] / 1000

    @property
    def timestamp_type(self) -> int:
        return self._message.timestamp()[0]

    @property
    def serialized_key_size(self) -> int:
        return len(self.key or b"")

    @property
    def serialized_value_size(self) -> int:
        return len(self.value or b"")

    def ack(self, consumer: Any, n: int = 1) -> bool:
        return False

    def incref(self, n: int = 1) -> None: ...
    def decref(self, n: int = 1) -> int:
        return 0


class Event(faust.Event):
    """One event to keep."""

    def ack(self) -> bool:
        return False


class Moving(faust.Event):
    """What `current_event()` returns: a view of the event in hand, that moves with the stream."""

    acked = False

    def __init__(self, app: Any, channel: Any, cursor: Any) -> None:
        self.app, self._channel, self._cursor = app, channel, cursor

    @property
    def message(self) -> Any:  # type: ignore[override]
        cursor = self._cursor
        return Lazy(cursor.batch.messages[cursor.number - cursor.base], self.app.consumer_generation_id)

    @property
    def key(self) -> Any:  # type: ignore[override]
        return self._channel.decode_key(self.message)

    @property
    def value(self) -> Any:  # type: ignore[override]
        cursor = self._cursor
        batch, at = cursor.batch, cursor.number - cursor.base
        values = batch.values.get(self._channel.kind)
        return values[at] if values is not None else self._channel.decode_batch([batch.messages[at]])[0]

    @property
    def headers(self) -> Any:  # type: ignore[override]
        return dict(self.message.headers or ())

    def ack(self) -> bool:
        return False

    def keep(self, value: Any, ahead: int = 0) -> Event:
        """The event in hand, or one of those behind it, that stays what it is when the stream goes on."""
        cursor = self._cursor
        message: Any = Lazy(cursor.batch.messages[cursor.number - cursor.base + ahead], self.app.consumer_generation_id)
        return Event(self.app, self._channel.decode_key(message), value, message.headers, message)
