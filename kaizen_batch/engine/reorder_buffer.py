"""The bounded window between the workers and the reader: where results wait for their turn."""

import asyncio
from collections.abc import Callable

from kaizen_batch.limits import Slots
from kaizen_batch.results import ItemResult


class ReorderBuffer:
    """At most `size` items between being pulled and being read, handed out in order or as they come.

    >>> window = Window(256, ordered=True)
    >>> await window.acquire()      # before an item is pulled
    >>> window.put(result)          # when it has its result
    >>> window.take()               # the next one for the reader, or None; frees the position

    The one reader waits by `ready()`; `wake()` has it look.
    """

    def __init__(self, size: int, *, ordered: bool) -> None:
        self._reader: asyncio.Future[None] | None = None
        self._slots = Slots(size)
        self.try_acquire: Callable[[], bool] = self._slots.try_acquire
        self._ordered = ordered
        # By their position in the reader's order: their index, or the order of their completion.
        self._waiting: dict[int, ItemResult] = {}
        self._came = 0
        self._next = 0

    async def acquire(self) -> None:
        """Take a slot, or wait until the reader has freed one."""
        await self._slots.acquire()

    def release(self) -> None:
        """Give a slot back that no item needs."""
        self._slots.release()

    def put(self, result: ItemResult) -> None:
        """Hand in the result of a pulled item."""
        position = result.index if self._ordered else self._came
        self._came += 1
        self._waiting[position] = result
        if position == self._next:
            self.wake()

    @property
    def waiting_for(self) -> str | None:
        """What holds up the workers while the buffer is full: its reader, or a result that is not there yet."""
        if self._slots.free:
            return None
        return "the reader of the results" if self._next in self._waiting else "an earlier result, to keep the order"

    async def ready(self) -> None:
        """Wait until there is something to look at."""
        self._reader = asyncio.get_running_loop().create_future()
        await self._reader

    def wake(self) -> None:
        """Have the reader look, if it waits."""
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(None)

    def take(self) -> ItemResult | None:
        """The next result, or None as long as it is not there."""
        result = self._waiting.pop(self._next, None)
        if result is not None:
            self._next += 1
            self._slots.release()
        return result

    def rest(self) -> list[ItemResult]:
        """The results that nobody has read, in the order of their items, for the end of a run."""
        return [self._waiting[position] for position in sorted(self._waiting)]
