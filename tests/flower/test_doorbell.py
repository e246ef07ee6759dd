"""Tests of the doorbell: a look waits until there is a message, and for nobody longer than it must."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from lepton_fed.flower.doorbell import Doorbell

NODE, OTHER = 1001, 1002
LONG = 30.0
"""Seconds: a test that waits so long has failed."""


async def stays() -> None:
    """A caller who stays."""
    await asyncio.Event().wait()


async def leaves() -> None:
    """A caller who is gone."""


async def begun(bell: Doorbell, node: int = NODE, caller: Callable[[], Awaitable[Any]] = stays) -> asyncio.Task[bool]:
    """A look that waits, or has been let through."""
    look = asyncio.create_task(bell.wait(node, caller))
    for _ in range(5):
        await asyncio.sleep(0)
    return look


async def answered(look: asyncio.Task[bool]) -> bool:
    return await asyncio.wait_for(look, LONG)


def test_a_message_is_found_at_once_by_who_waits() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        look = await begun(bell)
        assert not look.done()
        # As the coordinator does it: from a thread of its own.
        thread = threading.Thread(target=bell.ring, args=(NODE,))
        thread.start()
        assert await answered(look)
        thread.join()

    asyncio.run(play())


def test_a_message_that_was_there_before_is_not_waited_for() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        bell.ring(NODE)
        assert (await begun(bell)).done()

    asyncio.run(play())


def test_a_look_without_a_message_ends_after_a_while() -> None:
    async def play() -> None:
        bell = Doorbell(hold=0.01)
        assert await answered(await begun(bell))

    asyncio.run(play())


def test_somebody_elses_message_wakes_nobody() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        look = await begun(bell)
        bell.ring(OTHER)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not look.done()
        bell.close()
        await answered(look)

    asyncio.run(play())


def test_a_caller_who_leaves_is_told_apart_from_one_who_waited() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        assert not await answered(await begun(bell, caller=leaves))
        assert not bell._waiting
        # The message is not lost on somebody who is gone.
        bell.ring(NODE)
        assert await answered(await begun(bell))

    asyncio.run(play())


def test_two_messages_are_two_looks_without_waiting_and_a_third_waits() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        bell.ring(NODE)
        bell.ring(NODE)
        for _ in range(2):
            assert (await begun(bell)).done()
            bell.taken(NODE, found=True)
        third = await begun(bell)
        assert not third.done()
        bell.close()
        await answered(third)

    asyncio.run(play())


def test_a_message_that_lapsed_costs_one_look() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        bell.ring(NODE)
        assert (await begun(bell)).done()
        bell.taken(NODE, found=False)
        look = await begun(bell)
        assert not look.done()
        bell.close()
        await answered(look)

    asyncio.run(play())


def test_a_message_that_comes_while_a_look_is_answered_is_found_by_the_next() -> None:
    async def play() -> None:
        bell = Doorbell(hold=0.01)
        assert await answered(await begun(bell))
        # Flower has looked and found nothing; before that is known here, a message is left.
        bell.ring(NODE)
        bell.taken(NODE, found=False)
        bell.hold = 10 * LONG
        assert (await begun(bell)).done()

    asyncio.run(play())


def test_of_two_looks_of_one_node_the_earlier_is_let_go() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        looks = [await begun(bell) for _ in range(50)]
        for look in looks[:-1]:
            assert await answered(look)
        assert not looks[-1].done()
        assert len(bell._waiting) == 1
        bell.ring(NODE)
        assert await answered(looks[-1])

    asyncio.run(play())


def test_whoever_left_the_roster_is_let_go() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        look, stayer = await begun(bell), await begun(bell, OTHER)
        bell.let_go(NODE)
        assert await answered(look)
        assert not stayer.done()
        bell.close()
        await answered(stayer)

    asyncio.run(play())


def test_after_the_end_nobody_waits() -> None:
    async def play() -> None:
        bell = Doorbell(hold=10 * LONG)
        looks = [await begun(bell, node) for node in (NODE, OTHER)]
        thread = threading.Thread(target=bell.close)
        thread.start()
        assert [await answered(look) for look in looks] == [True, True]
        thread.join()
        assert (await begun(bell)).done()
        assert bell.uploads.is_set()
        assert not bell._waiting

    asyncio.run(play())
