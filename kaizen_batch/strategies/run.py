"""One batch under way, as its reader sees it."""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

from kaizen_batch.engine.supervisor import Supervisor
from kaizen_batch.results import BatchSummary, Result


class BatchRun:
    """The results of one batch, as they come: an async iterator of dicts that also knows the summary.

    >>> async with agent.stream(rows) as run:
    ...     async for result in run:
    ...         ...
    >>> run.summary.ok

    Iterate once. Nothing is read or called before the first iteration. However the iteration ends (exhausted,
    `break`, an exception, cancellation), no call is started afterwards, and none is left running once `aclose()`
    or the `async with` block is done.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        # The workers know nothing of this object, so that `async for ... in agent.stream(rows)` holds the only
        # reference to the generator: left by `break`, it is finalised at once and not by the next collection.
        self._supervisor = supervisor
        self._stream = supervisor.results()

    def __aiter__(self) -> AsyncIterator[Result]:
        return self._stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the run: calls in flight are cancelled, and are gone when this returns."""
        await self._supervisor.end()
        if not self._supervisor.reading:  # else another task waits in it, and finds its end by itself
            await self._stream.aclose()

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._supervisor.in_flight

    @property
    def summary(self) -> BatchSummary:
        """The totals so far; final when the iteration has ended."""
        return self._supervisor.summary()

    @property
    def inputs(self) -> object:
        """The inputs of the result that was yielded last, if the agent has `keeps_inputs`; else None."""
        return self._supervisor.inputs

    @property
    def has_next(self) -> bool:
        """Whether the next result is there, so that the iteration goes on without waiting."""
        return self._supervisor.has_next

    def unread(self) -> Iterator[tuple[Result, object]]:
        """Once the run has ended early: results that were not yielded, with their inputs, in the order of their items.

        Each is given once.
        """
        return self._supervisor.unread()
