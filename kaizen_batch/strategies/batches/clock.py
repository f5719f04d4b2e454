"""The time of a batch run: Unix times that follow the loop's clock, so that a test's virtual loop owns them."""

import asyncio
from datetime import UTC, datetime


def wall_s() -> float:
    """The Unix time of this machine."""
    return datetime.now(UTC).timestamp()


class Clock:
    """Made on the loop that it follows.

    >>> clock = Clock()
    >>> await clock.sleep(clock.now() - started)
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._offset = wall_s() - self._loop.time()

    def now(self) -> float:
        """The Unix time."""
        return self._loop.time() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        await asyncio.sleep(max(0.0, seconds))


class Pace:
    """The time between two looks at batches: it grows by half each time, to twenty times the first."""

    GROWTH = 1.5
    MOST = 20.0

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._next_s = first_s

    def reset(self) -> None:
        """A batch was made: look soon."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Seconds until the next look."""
        seconds = self._next_s
        self._next_s = min(seconds * self.GROWTH, self._first_s * self.MOST)
        return seconds
