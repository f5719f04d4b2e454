"""The reorder buffer between the workers and the reader: where results wait for their turn.

Two things make a result wait, and they are treated differently:

- A *gap*: the next result in the order is not there yet, because its call takes long. It bounds nobody's work, so the
  run goes on, and what waits is bounded by its size in memory (`most_bytes`), the input rows that wait with the results
  included. With a spill, what exceeds it goes to the disk, and a gap never stops the run.
- A *slow reader*: the next result is there and nobody takes it. Then at most `ready` results wait, so that a reader
  that leaves has not paid for much that it never saw.

Most results are read at once and need no size. Only those are measured that wait while a number of others come; the
larger the results are, the smaller is that number.

Invariants: every result that is put is taken once, in order or as it came; at most `under_way` items are pulled and
have no result; with a `window`, at most so many are pulled and not taken.
"""

import asyncio
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple, cast

from kaizen_batch.concurrency.slots import Turns
from kaizen_batch.engine.footprint import footprint
from kaizen_batch.engine.spill import Spill
from kaizen_batch.results import ItemResult

_FEWEST, _MOST = 8, 64  # results that come between two looks at those that wait
_SHARE = 16  # results that are not measured take about this part of the bytes


class Bounds(NamedTuple):
    """How much may be pulled and not yet read."""

    under_way: int
    ready: int
    most_bytes: int
    window: int | None = None


class ReorderBuffer(Turns):
    """Results on their way to the one reader.

    >>> buffer = ReorderBuffer(Bounds(256, 256, 2**26), ordered=True)
    >>> await buffer.acquire()      # before an item is pulled
    >>> buffer.put(result)          # when it has its result
    >>> buffer.take()               # the next one for the reader, or None

    The reader waits by `ready()`; `wake()` has it look. `inputs` is what was put with the result that was taken last.
    """

    def __init__(self, bounds: Bounds, *, ordered: bool, spill: Spill | None = None) -> None:
        super().__init__()
        self.inputs: object = None
        self._bounds = bounds
        self._ordered = ordered
        self._spill = spill
        self._reader: asyncio.Future[None] | None = None
        self._has_window = bounds.window is not None
        self._free = bounds.under_way if bounds.window is None else bounds.window
        self._most_ready = bounds.ready
        # By their position in the reader's order: their index, or the order of their completion.
        self._waiting: dict[int, ItemResult] = {}
        self._inputs: dict[int, object] = {}
        self._has_more = self._has_window  # than results: inputs, sizes or a window to keep
        self._came = 0
        self._next = 0
        self._look_at = self._look_every = _FEWEST
        self._seen: list[int] = []  # waited at the last look, without a size
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        self._heavy = False

    def try_acquire(self) -> bool:
        """Take a slot for an item that is about to be pulled, if it may be."""
        if self._free <= 0 or ((self._heavy or len(self._waiting) >= self._most_ready) and self.is_full):
            return False
        self._free -= 1
        return True

    def release(self) -> None:
        """Give a slot back that no item needs."""
        self._free += 1
        if self._waiters:
            self._admit()

    def put(self, result: ItemResult, inputs: object = None) -> None:
        """Hand in the result of a pulled item, and what is to be kept of the item until it is taken."""
        position = result.index if self._ordered else self._came
        self._waiting[position] = result
        if inputs is not None:
            self._inputs[position] = inputs
            self._has_more = True
        if position == self._next:
            self.wake()
        self._came += 1
        if self._came >= self._look_at:
            self._look()
        if not self._has_window:
            self._free += 1
            if self._waiters:
                self._admit()

    @property
    def has_next(self) -> bool:
        """Whether the next result is there."""
        return self._next in self._waiting or (self._spill is not None and self._next in self._spill)

    @property
    def is_full(self) -> bool:
        """Whether what waits for the reader keeps further items from being pulled."""
        if self._bytes >= self._bounds.most_bytes:
            return True
        return self.has_next and len(self._waiting) + len(self._spill or ()) >= self._most_ready

    @property
    def missing(self) -> int | None:
        """The item whose result the run waits for, if the others behind it are all that the buffer holds."""
        blocked = self._free <= 0 if self._has_window else self._bytes >= self._bounds.most_bytes
        return self._next if self._ordered and blocked and not self.has_next else None

    @property
    def waits_for_reader(self) -> bool:
        """Whether the run waits for the reader to take results that are there."""
        return self.has_next and (self.is_full or (self._has_window and self._free <= 0))

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
        position = self._next
        result = self._waiting.pop(position, None)
        if result is None or self._has_more:
            if result is None and not (self._spill and position in self._spill):
                return None
            result, self.inputs = self._with_inputs(position, result)
            self._next = position + 1
            if self._heavy:
                self._weigh()
            if self._has_window:
                self._free += 1
        else:
            self._next = position + 1
        if self._waiters:
            self._admit()
        return result

    def _with_inputs(self, position: int, result: ItemResult | None) -> tuple[ItemResult, object]:
        if result is None:
            assert self._spill is not None
            return cast(tuple[ItemResult, object], self._spill.take(position))
        self._bytes -= self._sizes.pop(position, 0)
        return result, self._inputs.pop(position, None)

    def rest(self) -> Iterator[tuple[ItemResult, object]]:
        """The results that nobody has read, with their inputs, in the order of their items, for the end of a run."""
        spilled = self._spill.positions() if self._spill is not None else ()
        for position in sorted((*self._waiting, *spilled)):
            yield self._with_inputs(position, self._waiting.pop(position, None))

    def _admit(self) -> None:
        """Let those in who wait, as far as there is room."""
        waiters = self._waiters
        while waiters and self._free > 0 and not self.is_full:
            turn = waiters.popleft()
            if not turn.done():
                self._free -= 1
                turn.set_result(None)

    def _look(self) -> None:
        """Measure the results that have waited since the last look."""
        old, sizes = filter(self._waiting.__contains__, self._seen), dict[int, int]()
        first = next(old, None)
        # A slow reader's results are few: if they are small, they are far from the bound, and none is measured.
        if first is not None and not (self.has_next and self._is_small(first)):
            sizes = {position: self._size(position) for position in (first, *old)}
            self._sizes |= sizes
        self._seen = self._unmeasured()
        self._look_every = min(_MOST, 2 * self._look_every)
        if sizes:
            fitting = self._bounds.most_bytes // (_SHARE * max(sizes.values()))
            self._look_every = max(1, min(fitting, self._look_every))
            self._bytes += sum(sizes.values())
            self._has_more = True
            self._weigh()
        self._look_at = self._came + self._look_every

    def _size(self, position: int) -> int:
        return footprint((self._waiting[position], self._inputs.get(position)))

    def _unmeasured(self) -> list[int]:
        """Those that wait and have no size: the last that came."""
        if not self._sizes:
            return list(self._waiting)
        return list(takewhile(lambda position: position not in self._sizes, reversed(self._waiting)))

    def _is_small(self, position: int) -> bool:
        """Whether as many results as may wait for the reader would be small, if all were like this one."""
        return self._size(position) * self._most_ready * _SHARE < self._bounds.most_bytes

    def _weigh(self) -> None:
        """Whether what waits may be too much; what waits behind a gap goes to the disk then, the last of it first."""
        if self._spill is not None and self._bytes >= self._bounds.most_bytes and not self.has_next:
            self._move_to(self._spill)
        self._heavy = self._bytes >= self._bounds.most_bytes or bool(self._spill)

    def _move_to(self, spill: Spill) -> None:
        moved, left = list[int](), self._bytes
        for position in sorted(self._sizes, reverse=True):
            if left <= self._bounds.most_bytes // 2:  # so much at once that this is not done for each result
                break
            moved.append(position)
            left -= self._sizes[position]
        for position in reversed(moved):
            if spill.put(position, (self._waiting[position], self._inputs.get(position))):
                self._with_inputs(position, self._waiting.pop(position))  # what is no plain data stays
