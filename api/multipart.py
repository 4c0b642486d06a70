"""A file in a form, streamed: the parts before and after it are passed over."""

from __future__ import annotations

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.problem import Problem

BEFORE = 1024 * 1024  # bytes of other fields that may stand before the file
WRONG = "the form cannot be read; send one file, as `curl -F file=@chat.json` does"


class _Parts:
    """What the parser has found so far."""

    def __init__(self, boundary: bytes) -> None:
        self.name: str | None = None
        self.found, self.ended = bytearray(), False
        self._field, self._header = bytearray(), bytearray()
        self.parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_end": self._head,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
        )

    def _head(self) -> None:
        if bytes(self._field).lower() == b"content-disposition" and self.name is None:
            _, options = parse_options_header(bytes(self._header))
            if b"filename" in options:
                self.name = options[b"filename"].decode(errors="replace")
        self._field.clear()
        self._header.clear()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.name is not None and not self.ended:
            self.found += data[start:end]

    def _end(self) -> None:
        self.ended = self.ended or self.name is not None


async def file_of(stream: AsyncIterator[bytes], content_type: str) -> tuple[str, AsyncIterator[bytes]]:
    """Name and bytes of the first file in a form. Raises Problem 422 when there is none."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Problem(422, WRONG)
    try:
        parts, seen = _Parts(boundary), 0
    except FormParserError:
        raise Problem(422, WRONG) from None
    async for chunk in stream:
        _feed(parts, chunk)
        if parts.name is not None:
            return parts.name[:255], _rest(parts, stream)
        if (seen := seen + len(chunk)) > BEFORE:
            break
    raise Problem(422, WRONG)


async def _rest(parts: _Parts, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while not parts.ended:
        if parts.found:
            yield bytes(parts.found)
            parts.found.clear()
        try:
            _feed(parts, await anext(stream))
        except StopAsyncIteration:
            raise Problem(422, WRONG) from None
    yield bytes(parts.found)


def _feed(parts: _Parts, chunk: bytes) -> None:
    try:
        parts.parser.write(chunk)
    except FormParserError:
        raise Problem(422, WRONG) from None
