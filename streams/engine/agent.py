"""Faust's agent: an event on which it fails leaves no trace but a dead letter, and the next event follows at once.

One that it is not ready for stops its partition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Any

from faust.agents import Agent as FaustAgent
from faust.agents.agent import _current_agent

from streams.engine.dead import Refused
from streams.engine.halt import Unready, halt
from streams.engine.stream import Stream
from streams.engine.work import Postponed, Stopped


class Agent(FaustAgent):
    """Goes on in the same task, with the same stream; Faust would start another one some seconds later."""

    app: Any

    async def _execute_actor(self, coro: Any, aref: Any) -> None:
        _current_agent.set(self)
        processors = list(aref.stream._processors)  # its function may add more, each time that it begins
        while True:
            try:
                await coro
                return
            except asyncio.CancelledError as cancelled:
                if self.should_stop:
                    raise
                _begin_again(aref.stream.get_active_stream())
                await aref.crash(cancelled)
                self.supervisor.wakeup()
                return
            except Exception as why:
                if self._on_error is not None:
                    await self._on_error(self, why)
                stream = aref.stream.get_active_stream()
                if not await self._survives(stream, why):
                    await aref.crash(why)
                    self.supervisor.wakeup()
                    return
                aref.stream._processors[:] = processors
                coro = self._again(aref)

    async def _survives(self, stream: Any, why: Exception) -> bool:
        """Whether the failure was of one event of a topic."""
        if isinstance(why, Stopped):
            await self.app.crash(why)
            return False
        cursor = stream.cursor if isinstance(stream, Stream) else None
        if cursor is None or cursor.batch is None or cursor.resting:
            return False
        if isinstance(why, Postponed):
            _begin_again(stream)
            return True
        try:
            if isinstance(why, Unready):
                halt(self.app.consumer, cursor, why)
            else:
                self._dead_letters(cursor, why)
            cursor.resting = True
        except Exception as stopped:
            await self.app.crash(stopped)
            return False
        return True

    def _dead_letters(self, cursor: Any, why: Exception) -> None:
        """Raises Stopped after too many."""
        if not isinstance(why, Refused):
            self.log.error("an event of %s/%d failed and is dead-lettered", *cursor.batch.lane.place, exc_info=why)
        self.app.consumer.failures.undo(cursor, why)

    def _again(self, aref: Any) -> Any:
        made = self.fun(aref.stream)
        return self._slurp(aref, aiter(made)) if isinstance(made, AsyncIterable) else made


def _begin_again(stream: Any) -> None:
    """The event in hand was broken off: its writes are undone, and whoever comes next begins it anew."""
    cursor = stream.cursor if isinstance(stream, Stream) else None
    if cursor is not None and cursor.batch is not None and not cursor.resting:
        cursor.shard.undo(cursor.number)
        cursor.taken, cursor.resting = 1, True
