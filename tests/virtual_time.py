"""A whole command, node or script on virtual time, with the simulator as its endpoint: hours pass in an instant.

Client and server share one event loop, whose clock jumps to the next timer when neither has anything to do. They talk
over real sockets.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio.to_thread
import looptime
import pytest

from kaizen_batch.concurrency import sync
from kaizen_batch.prices import price_list
from kaizen_batch.simulator import Simulator
from tests.strategies.batches.fake import exact_time

_OPENAI = "https://api.openai.com/v1"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class VirtualTime:
    """`simulator` serves whatever runs by `run_sync` meanwhile; `ended_at` are the seconds that the last run took."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.ended_at = 0.0

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """A loop that starts at 0, on which the simulator serves."""
        virtual = self

        class Loop(looptime.LoopTimeEventLoop, asyncio.SelectorEventLoop):  # type: ignore[misc]
            def run_until_complete(self, future: Any) -> Any:
                try:
                    return super().run_until_complete(future)
                finally:
                    virtual.ended_at = virtual.ended_at or self.time()

        loop = Loop(start=0)
        self.ended_at = 0.0
        self._serving = loop.create_task(self.simulator.serve())
        return loop


@contextmanager
def virtual_time(**settings: Any) -> Iterator[VirtualTime]:
    """The simulator with these settings and OpenAI's price list, on virtual time."""
    virtual = VirtualTime(Simulator(port=_free_port(), **settings))
    listed = price_list._price_on

    async def in_no_time(function: Callable[..., Any], *values: Any, **_: Any) -> Any:
        return function(*values)

    with exact_time(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio.to_thread, "run_sync", in_no_time)
        patch.setattr(sync, "_new_loop", lambda: virtual.new_loop)
        patch.setattr(price_list, "_price_on", lambda day, model, _, mode="standard": listed(day, model, _OPENAI, mode))
        yield virtual
