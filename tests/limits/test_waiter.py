"""A waiting call: its turn reaches it on its own loop, from whichever thread it comes."""

import asyncio
from collections.abc import Callable

import pytest

from kaizen_batch.limits import Reservation
from kaizen_batch.limits.waiter import Waiter


def waiter() -> Waiter:
    return Waiter(Reservation(), asyncio.get_running_loop().create_future())


async def in_place(hand_over: Callable[..., bool], *values: Exception) -> bool:
    return hand_over(*values)


@pytest.mark.parametrize("elsewhere", [in_place, asyncio.to_thread], ids=["own loop", "another thread"])
async def test_its_turn_comes_on_its_own_loop(elsewhere: Callable[..., asyncio.Future[bool]]) -> None:
    call, refused = waiter(), waiter()
    assert await elsewhere(call.hand_over) and await elsewhere(refused.hand_over, ValueError("no"))
    assert call.gone and refused.gone
    await call.turn
    with pytest.raises(ValueError, match="no"):
        await refused.turn


async def test_the_turn_of_a_cancelled_call_is_left_alone() -> None:
    call = waiter()
    call.turn.cancel()
    assert call.hand_over(ValueError("too late"))
    assert call.turn.cancelled()


async def test_a_call_whose_loop_is_closed_says_so() -> None:
    call = await asyncio.to_thread(asyncio.run, _made())
    assert not call.hand_over()


async def _made() -> Waiter:
    return waiter()
