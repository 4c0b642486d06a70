"""Faust's topic: decodes a batch at a time, sends through the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any, cast

import faust
import msgspec
from confluent_kafka import Message
from faust.exceptions import KeyDecodeError, ValueDecodeError
from faust.serializers.codecs import Codec
from faust.topics import Topic as FaustTopic

from streams.engine.event import Lazy
from streams.engine.producer import Sent, follow

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
JSON = frozenset({dict, list, str, int, float})
BLESSED = b'"__faust"'  # marks a model inside JSON that has no declared type


class Undecodable:
    """In the place of a value."""

    __slots__ = ("why",)

    def __init__(self, why: Exception) -> None:
        self.why = why


class Broken(list[Any]):
    """Values of which some are `Undecodable`."""


class Raw(list[Any]):
    """Bytes that `decode` makes values of, but for those with the mark in them: an event that is decoded when its turn comes
    is still in the processor's cache."""

    def __init__(self, raws: Iterable[bytes | None], decode: Callable[[bytes], Any], mark: bytes) -> None:
        super().__init__(raws)
        self.decode, self.mark = decode, mark


class Topic(FaustTopic):
    """`open_events` above one: agents with concurrency read it, record by record."""

    app: Any
    open_events = 1

    @property
    def kind(self) -> Any:
        """Topics of the same kind decode a batch once for all."""
        return self.key_type, self.value_type, self.value_serializer

    @property
    def _plain(self) -> Callable[[bytes], Any] | None:
        """A decoder for bytes, where type and serializer need nothing of Faust's."""
        if type(self.schema) is not faust.Schema:
            return None
        kind, serializer = self.schema.value_type, self.schema.value_serializer or self.app.conf.value_serializer
        if kind is bytes or (serializer == "raw" and kind is None):
            return _itself
        if kind is None and isinstance(serializer, Codec):
            return cast("Callable[[bytes], Any]", serializer.loads if serializer.children else serializer._loads)
        return _decode if serializer == "json" and kind in (None, dict, list) else None

    def raw_batch(self, messages: list[Message]) -> Raw | None:
        """What can be decoded one by one as it is handed out; None where more than a function is needed."""
        plain = self._plain
        if plain is None or plain is _itself:
            return None
        return Raw(map(Message.value, messages), plain, BLESSED if plain is _decode else b"")

    def decode_batch(self, messages: list[Message]) -> list[Any]:
        """The values; `Broken` ones where some are `Undecodable`."""
        raws = list(map(Message.value, messages))
        plain = self._plain
        if plain is _itself:
            return raws
        if plain is not None:
            with suppress(Exception):  # then one by one, to tell which
                if plain is not _decode or BLESSED not in b"".join(raws):  # type: ignore[arg-type]
                    return list(map(plain, raws))  # type: ignore[arg-type]
        values = [self._decode_one(message) for message in messages]
        return Broken(values) if Undecodable in map(type, values) else values

    def _decode_one(self, message: Message) -> Any:
        try:
            return self.schema.loads_value(self.app, cast(Any, Lazy(message)))
        except (ValueDecodeError, KeyDecodeError) as why:
            return Undecodable(why)

    def decode_key(self, message: Any) -> Any:
        return self.schema.loads_key(self.app, message)

    async def send(self, *, key: Any = None, value: Any = None, partition: int | None = None,
                   timestamp: float | None = None, headers: Any = None, schema: Any = None, key_serializer: Any = None,
                   value_serializer: Any = None, callback: Any = None, force: bool = False) -> Any:  # fmt: skip
        """Like Faust's. Inside an event of an exactly-once app the record goes out with the event's commit."""
        if schema is None and key_serializer is None and value_serializer is None and callback is None:
            raw = self._quick(key, value)
            if raw is not None:
                return self.app.producer.submit(self.get_topic_name(), *raw, partition, timestamp, headers)
        return await self._send_now(
            key, value, partition, timestamp, headers, schema, key_serializer, value_serializer, callback
        )

    def _quick(self, key: Any, value: Any) -> tuple[bytes | None, bytes] | None:
        """Bytes of what needs nothing of Faust's: a key that is bytes or none, a value that is bytes or JSON."""
        if key is not None and type(key) is not bytes:
            return None
        if type(value) is bytes:
            return (key, value) if self._sends == "raw" else None
        return (key, _encode(value)) if self._sends == "json" and type(value) in JSON else None

    @cached_property
    def _sends(self) -> str:
        """How values are written, where that is simple."""
        mine = self.schema
        if type(mine) is not faust.Schema:
            return ""
        if mine.value_type is bytes or mine.value_serializer == "raw":
            return "raw"
        return "json" if (mine.value_serializer or self.app.conf.value_serializer) == "json" else ""

    async def publish_message(self, fut: Any, wait: bool = False) -> Any:
        message = fut.message
        topic = self._topic_name_or_default(message.channel)
        sent: Sent = self.app.producer.submit(
            topic, message.key, message.value, message.partition, message.timestamp, message.headers
        )
        follow(sent, fut)
        return await sent if wait else sent


def _itself(raw: bytes) -> bytes:
    return raw
