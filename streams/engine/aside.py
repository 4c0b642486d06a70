"""A thread for calls to the client that wait for the broker, one after the other, each given up after some time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any

Call = tuple["Future[None]", "Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Aside:
    """Makes calls off the loop, in order.

    A call that does not come back in time is left alone with its thread, and the next one gets a new thread: librdkafka
    2.16 forgets a request to the group's coordinator when the broker dies at the wrong moment, whatever time limit was
    given (`rdkafka_coord.c`: it relies on the next change of a connection). The thread is no reason to stay alive, hence
    no `ThreadPoolExecutor`, whose threads a process waits for at its end.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Call | None] | None = None

    async def __call__(self, work: Callable[..., Any], *args: Any, within: float | None = None) -> Any:
        """The result. Raises what the call raises, or TimeoutError when it takes more than `within` seconds, waiting for
        its turn not counted."""
        if self._calls is None:
            self._calls = SimpleQueue()
            Thread(target=_work, args=(self._calls,), name=self._name, daemon=True).start()
        begun: Future[None] = Future()
        done: Future[Any] = Future()
        self._calls.put((begun, done, work, args))
        result = asyncio.wrap_future(done)
        try:
            await asyncio.wrap_future(begun)
            return await asyncio.wait_for(result, within)
        except asyncio.CancelledError:
            result.cancel()
            raise
        except TimeoutError:
            self.end()
            raise

    def end(self) -> None:
        """The thread ends after the call it is in."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None


def _work(calls: SimpleQueue[Call | None]) -> None:
    while (call := calls.get()) is not None:
        _make(*call)
        del call  # while there is nothing to do nothing is held


def _make(begun: Future[None], done: Future[Any], work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    if begun.set_running_or_notify_cancel():
        begun.set_result(None)
    try:
        done.set_result(work(*args))
    except BaseException as why:
        done.set_exception(why)
