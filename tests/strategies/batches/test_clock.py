"""Unix times that follow the loop, and the time between two looks."""

import asyncio
from datetime import UTC, datetime

import pytest

from kaizen_batch.strategies.batches.clock import Clock, Pace, wall_s

from .fake import EPOCH


@pytest.mark.looptime(start=0)
async def test_the_clock_follows_the_loop() -> None:
    clock = Clock()
    assert clock.now() == EPOCH
    await clock.sleep(3600)
    assert (clock.now(), asyncio.get_running_loop().time()) == (EPOCH + 3600, 3600)
    await clock.sleep(-5)
    assert clock.now() == EPOCH + 3600


def test_the_wall_clock_is_that_of_the_machine() -> None:
    before = datetime.now(UTC).timestamp()
    assert before <= wall_s() <= datetime.now(UTC).timestamp()


def test_looks_are_further_and_further_apart_up_to_ten_minutes() -> None:
    pace = Pace(30.0)
    waits = [pace.next_s() for _ in range(12)]
    assert waits[:3] == [30.0, 45.0, 67.5]
    assert waits == sorted(waits)
    assert waits[-1] == 600.0
    pace.reset()
    assert pace.next_s() == 30.0
