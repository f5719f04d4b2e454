"""Where items come from: one pull for lists, generators and async generators alike."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sized
from itertools import count
from time import monotonic
from typing import Any, Final

from kaizen_batch.engine.frames import frame_items, is_frame
from kaizen_batch.errors import AgentError, ConfigError

EXHAUSTED: Final[Any] = object()
_SLOW_S = 0.01  # of one item of a generator; there the loop gets its turn
_BLOCKING_S = 1.0  # here its author hears of it

logger: logging.Logger = logging.getLogger(__name__)


class Source:
    """Numbers the items of an iterable and hands them to many workers, one at a time.

    `size` is None unless the input knows its length. An input that raises ends the pulling; `error` keeps what
    it raised, so that items pulled before still get their results. `end` ends it from outside, also while an item is
    waited for; `is_cut` says that there may have been more. `aclose` closes a generator that was not read to its end.

    Where items have to be waited for, workers must `pull` them; `waits` says so. That is so of an asynchronous input,
    and of a generator that turns out to be slow: it blocks the event loop while it works, so the loop gets its turn,
    with all timers, after each item that took long. It stays on the loop's thread all the same: what it holds, such as
    a cursor of sqlite3, may belong to that thread, and a thread that waits for an item cannot be cancelled. If one item
    takes longer than a second, a log line says so once.

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
        self.is_cut: bool = False
        self.error: Exception | None = None
        self._lock = asyncio.Lock()
        self._async: AsyncIterator[Any] | None = aiter(items) if isinstance(items, AsyncIterable) else None
        # After a stop the items of an input that ends by itself, soon, still get their results.
        self.reads_on: bool = self.size is not None and (self._async is None or getattr(items, "reads_on", False))
        self.waits: bool = self._async is not None
        self._timed = self.size is None
        self._warned = False
        self._pulling: asyncio.Task[Any] | None = None
        self._ready: Iterator[Any] | None = None if isinstance(items, AsyncIterable) else iter(items)
        self._numbered = enumerate(() if self._ready is None else self._ready)
        self._indices = count()

    def end(self) -> None:
        """Pull no more; an item that is waited for is not."""
        self.is_cut = self.is_cut or not self.exhausted
        self.exhausted = True
        task, self._pulling = self._pulling, None
        if task is not None:
            task.cancel()

    def pull_ready(self) -> Any:
        """The next `(index, item)`, or EXHAUSTED."""
        if self.exhausted:
            return EXHAUSTED
        began = monotonic() if self._timed else 0.0
        try:
            pulled = next(self._numbered, EXHAUSTED)
        except (Exception, asyncio.CancelledError) as error:
            pulled = self._broken(error)
        if pulled is EXHAUSTED:
            self.exhausted = True
        if self._timed:
            self.waits = (took_s := monotonic() - began) > _SLOW_S
            if took_s > _BLOCKING_S:
                self._warn(took_s)
        return pulled

    def _warn(self, took_s: float) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "the input took %.1f s for one item, and blocked the event loop meanwhile: make it an asynchronous "
                "generator that awaits what it waits for, or a list",
                took_s,
            )

    async def pull(self) -> Any:
        """The next `(index, item)`, or EXHAUSTED."""
        async with self._lock:  # an async generator refuses a second `anext` while the first is under way
            if self._async is None:
                await asyncio.sleep(0)
                return self.pull_ready()
            try:
                item = EXHAUSTED if self.exhausted else await self._next(self._async)
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

    async def _next(self, items: AsyncIterator[Any]) -> Any:
        self._pulling = task = asyncio.current_task()
        assert task is not None
        try:
            item = await anext(items, EXHAUSTED)
        except asyncio.CancelledError:
            if self._pulling is None and task.uncancel() == 0:  # by `end`, and by nobody else
                return EXHAUSTED
            raise
        else:
            if self._pulling is None:  # the input has kept the cancellation to itself
                task.uncancel()
            return item
        finally:
            self._pulling = None

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
