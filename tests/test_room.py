"""The bound on bytes on disk: never passed, nobody waits for ever, and what is larger than the room has it alone."""

from __future__ import annotations

import asyncio
import random

import pytest

from streams.room import PASSED, Room


async def test_no_more_is_held_than_the_room_has_and_everybody_gets_in() -> None:
    room, dice, most, done = Room(100), random.Random(7), 0, 0

    async def use(size: int) -> None:
        nonlocal most, done
        async with room.hold(size):
            most = max(most, room.used)
            await asyncio.sleep(dice.random() / 1000)
        done += 1

    await asyncio.gather(*(use(dice.randint(0, 100)) for _ in range(300)))
    assert done == 300 and 0 < most <= 100 and room.used == 0


async def test_what_is_larger_than_the_room_has_it_alone() -> None:
    room, order = Room(10), list[str]()

    async def use(name: str, size: int) -> None:
        async with room.hold(size):
            order.append(f"{name} in, {room.used} used")
            await asyncio.sleep(0)

    await asyncio.gather(use("small", 4), use("huge", 50), use("small", 4))
    assert order == ["small in, 4 used", "small in, 8 used", "huge in, 50 used"]


async def test_small_ones_pass_a_large_one_but_not_for_ever() -> None:
    room, passed, large = Room(10), 0, asyncio.Event()

    async def use_large() -> None:
        async with room.hold(10):
            large.set()

    async def go_on() -> None:
        nonlocal passed
        while not large.is_set():
            async with room.hold(4):
                passed += not large.is_set()
                await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(go_on(), use_large(), go_on()), 30)
    assert 0 < passed <= PASSED + 2


async def test_one_who_no_longer_waits_holds_nothing() -> None:
    room = Room(10)
    async with room.hold(10):
        waiting = asyncio.ensure_future(room.hold(5).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert room.used == 0
