"""Looks at sockets that an event loop owns: whether one is readable, and whether its peer has reset it.

A kernel that gets bytes for a socket that its process has closed answers with a reset. A reset within one round trip of
a request therefore proves that nobody has read the request. poll() exists everywhere but on Windows.
"""

import asyncio
import os
import select
from collections.abc import Callable
from contextlib import suppress

HAS_POLL = hasattr(select, "poll")


def poller_of(descriptor: int) -> Callable[[int], list[tuple[int, int]]]:
    """`poll(0)` of this socket: empty unless bytes, the end or an error have arrived."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return poller.poll


class ResetProbe:
    """Whether the peer of a socket answers with a reset; `ended` is called once with the result.

    A copy of the descriptor keeps the socket in the kernel when the event loop closes its own.
    """

    def __init__(self, descriptor: int, ended: Callable[[bool], None]) -> None:
        self._descriptor = os.dup(descriptor)
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None

    def look_in(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Look after so many seconds, when a round trip is over."""
        self._timer = loop.call_later(max(0.0, seconds), self._look)

    def close(self) -> None:
        """Give up: nothing is known."""
        self._end(False)

    def _look(self) -> None:
        poller = select.poll()
        poller.register(self._descriptor, 0)  # errors and hang-ups only
        self._end(any(events & (select.POLLERR | select.POLLHUP) for _, events in poller.poll(0)))

    def _end(self, was_reset: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with suppress(OSError):
            os.close(self._descriptor)
        self._ended(was_reset)
