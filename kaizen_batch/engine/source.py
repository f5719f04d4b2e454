"""Where items come from: one pull for lists, generators and async generators alike."""

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from itertools import count
from typing import Any, Final

from kaizen_batch.errors import AgentError, ConfigError
from kaizen_batch.tables.frames import frame_items, is_frame

EXHAUSTED: Final[Any] = object()


class Source:
    """Numbers the items of an iterable and hands them to many workers, one at a time.

    `size` is None unless the input knows its length. An input that raises ends the pulling; `error` keeps what
    it raised, so that items pulled before still get their results. `aclose` closes a generator that was not
    read to its end.

    A DataFrame gives its rows as dicts, a Series its values.

    Raises: ConfigError for what is no collection of items, a single text or dict included.
    """

    def __init__(self, items: Any, *, is_batch: bool = True) -> None:
        if is_frame(items):
            items = frame_items(items)
        if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable | AsyncIterable):
            raise ConfigError(
                "a batch is a list, a generator, an async generator or a DataFrame of items, each a dict or a text; "
                f"given: a {type(items).__name__}"
            )
        self.size: int | None = len(items) if isinstance(items, Sized) else None
        self.is_batch: bool = is_batch
        self.exhausted: bool = False
        self.error: Exception | None = None
        self._lock = asyncio.Lock()
        self._async: AsyncIterator[Any] | None = aiter(items) if isinstance(items, AsyncIterable) else None
        self._ready: Iterator[Any] | None = None if isinstance(items, AsyncIterable) else iter(items)
        self._numbered = enumerate(() if self._ready is None else self._ready)
        self._indices = count()

    @property
    def is_async(self) -> bool:
        """Whether items have to be waited for: `pull` does, `pull_ready` is for all others."""
        return self._async is not None

    def pull_ready(self) -> Any:
        """The next `(index, item)`, or EXHAUSTED."""
        if self.exhausted:
            return EXHAUSTED
        try:
            pulled = next(self._numbered, EXHAUSTED)
        except (Exception, asyncio.CancelledError) as error:
            pulled = self._broken(error)
        if pulled is EXHAUSTED:
            self.exhausted = True
        return pulled

    async def pull(self) -> Any:
        """The next `(index, item)`, or EXHAUSTED."""
        if self._async is None:
            return self.pull_ready()
        try:
            # An async generator refuses a second `anext` while the first is under way.
            async with self._lock:
                item = EXHAUSTED if self.exhausted else await anext(self._async, EXHAUSTED)
        except asyncio.CancelledError as error:
            if being_cancelled():
                raise
            item = self._broken(error)
        except Exception as error:
            item = self._broken(error)
        if item is EXHAUSTED:
            self.exhausted = True
            return EXHAUSTED
        return next(self._indices), item

    def _broken(self, error: BaseException) -> Any:
        """The input has raised, and that is its end."""
        # A cancellation from within, let through, would end one worker and nobody would know.
        inside = AgentError("the input was cancelled from within", code="cancelled")
        self.error = error if isinstance(error, Exception) else inside
        return EXHAUSTED

    async def aclose(self) -> None:
        """Close a generator, so that what it holds open is released now and not by the garbage collector."""
        if inspect.isasyncgen(self._async):
            await self._async.aclose()
        elif inspect.isgenerator(self._ready):
            self._ready.close()


def being_cancelled() -> bool:
    """Whether a CancelledError is meant for the current task, and was not raised by what it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
