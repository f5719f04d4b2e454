"""Where items come from: one pull for lists, generators and async generators alike."""

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from typing import Any, Final

from kaizen_batch.errors import AgentError, ConfigError

EXHAUSTED: Final[Any] = object()


class Source:
    """Numbers the items of an iterable and hands them to many workers, one at a time.

    `size` is None unless the input knows its length. An input that raises ends the pulling; `error` keeps what
    it raised, so that items pulled before still get their results. `aclose` closes a generator that was not
    read to its end.

    Raises: ConfigError for what is no collection of items, a single text or dict included.
    """

    def __init__(self, items: Any) -> None:
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable | AsyncIterable):
            raise ConfigError(
                "a batch is a list, a generator or an async generator of items, each a dict or a text; "
                f"given: a {type(items).__name__}"
            )
        self.size = len(items) if isinstance(items, Sized) else None
        self.exhausted = False
        self.error: Exception | None = None
        self._pulled = 0
        self._lock = asyncio.Lock()
        self._items: Iterator[Any] | AsyncIterator[Any] = (
            aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        )

    async def pull(self) -> Any:
        """The next `(index, item)`, or EXHAUSTED."""
        if self.exhausted:
            return EXHAUSTED
        try:
            if isinstance(self._items, AsyncIterator):
                item = await self._pull_async(self._items)
            else:
                item = next(self._items, EXHAUSTED)
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            # The input was cancelled from within; let through, it would end one worker and nobody would know.
            self.error = AgentError("the input was cancelled from within", code="cancelled")
            item = EXHAUSTED
        except Exception as error:
            self.error = error
            item = EXHAUSTED
        if item is EXHAUSTED:
            self.exhausted = True
            return EXHAUSTED
        index = self._pulled
        self._pulled += 1
        return index, item

    async def _pull_async(self, items: AsyncIterator[Any]) -> Any:
        # An async generator refuses a second `anext` while the first is under way.
        async with self._lock:
            return EXHAUSTED if self.exhausted else await anext(items, EXHAUSTED)

    async def aclose(self) -> None:
        """Close a generator, so that what it holds open is released now and not by the garbage collector."""
        if inspect.isasyncgen(self._items):
            await self._items.aclose()
        elif inspect.isgenerator(self._items):
            self._items.close()


def being_cancelled() -> bool:
    """Whether a CancelledError is meant for the current task, and was not raised by what it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
