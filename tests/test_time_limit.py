"""A test that waits for ever fails, whatever it waits for."""

import asyncio
import queue
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from tests.time_limit import limited


def a_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.PIPE) as process:
        try:
            process.communicate()
        finally:
            process.kill()


async def _careless() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except Exception:
            continue


@pytest.mark.parametrize(
    "wait",
    [
        lambda: threading.Event().wait(),
        lambda: queue.SimpleQueue[None]().get(),
        a_process,
        lambda: asyncio.run(_careless()),
    ],
)
def test_an_endless_wait_fails(wait: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"has not ended after 0\.3 s"), limited(0.3, 0.3):
        wait()


def test_what_ends_in_time_is_left_alone() -> None:
    with limited(60):
        assert not threading.Event().wait(0.01)
