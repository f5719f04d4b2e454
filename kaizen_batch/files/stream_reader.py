"""Streams (standard input, pipes) are read in a thread: they may be silent for hours, and the event loop must not be.

The thread waits for two things at once, data and the end of the job, so that it can always be ended and is never left
behind, blocked, at the exit of the process.
"""

import asyncio
import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

_MOST_AHEAD = 64  # rows that are read and not asked for

_ending: ContextVar[int | None] = ContextVar("_ending", default=None)
"""In the thread of a reader: what becomes readable when it is to end."""


class StreamInput(io.RawIOBase):
    """The bytes of an open file that may keep its reader waiting; at the end of the reader they end, too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ending = _ending.get()

    def readable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor, which is closed with this."""
        return self._descriptor

    def readinto(self, buffer: Any) -> int:
        """Wait for bytes; 0 at the end."""
        while self._wait(None):
            try:
                data = os.read(self._descriptor, len(buffer))
            except BlockingIOError:
                continue
            buffer[: len(data)] = data
            return len(data)
        return 0

    @property
    def is_silent(self) -> bool:
        """Whether a read would wait."""
        return hasattr(select, "poll") and not self._polled(0)

    def close(self) -> None:
        """Close the descriptor."""
        if not self.closed:
            super().close()
            os.close(self._descriptor)

    def _wait(self, seconds: float | None) -> bool:
        """Wait for bytes or the end of the stream; False at the end of the reader."""
        return not hasattr(select, "poll") or self._ending not in self._polled(seconds)

    def _polled(self, seconds: float | None) -> set[int | None]:
        poll = select.poll()
        for each in (self._descriptor, self._ending):
            if each is not None:
                poll.register(each, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(seconds)}


def is_silent(text: object) -> bool:
    """Whether the next read of a text would wait for its writer."""
    raw = getattr(getattr(text, "buffer", None), "raw", None)
    return isinstance(raw, StreamInput) and raw.is_silent


class StreamReader:
    """One thread that reads a stream, until `close`.

    >>> reader = StreamReader()
    >>> records = await reader.call(open_records)
    >>> async for row in reader.rows(records): ...
    """

    def __init__(self) -> None:
        self._ended, self._end = os.pipe()
        self._thread = ThreadPoolExecutor(1, "kaizen-batch input", _ending.set, (self._ended,))
        self._rows: _Rows[Any] | None = None
        self._closed = False

    def close(self) -> None:
        """End the thread, whatever it waits for; before the stream is closed."""
        if self._closed:
            return
        self._closed = True
        os.write(self._end, b".")
        if self._rows is not None:
            self._rows.close()
        self._thread.shutdown()
        for descriptor in (self._ended, self._end):
            os.close(descriptor)

    async def call(self, function: Callable[[], T]) -> T:
        """The result of a function that may wait for the stream; with an error or a cancellation the reader closes."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        except BaseException:
            self.close()
            raise

    def rows(self, rows: Iterator[T]) -> "_Rows[T]":
        """The rows as they come; a few are read ahead."""
        self._rows = found = _Rows(rows, self._thread)
        return found


class _Rows(Generic[T]):
    """An asynchronous iterator of what the thread reads."""

    def __init__(self, rows: Iterator[T], thread: ThreadPoolExecutor) -> None:
        self._source = rows
        self._thread = thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ahead: deque[T] = deque()
        self._room = threading.Condition()
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._done = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.submit(self._read)
        while not self._ahead:
            if self._done:
                break
            self._waiter = self._loop.create_future()
            if not self._ahead and not self._done:  # else it came before the thread could see who waits
                await self._waiter
        if not self._ahead:
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        row = self._ahead.popleft()
        with self._room:
            self._room.notify()
        return row

    def close(self) -> None:
        """Read no more."""
        with self._room:
            self._done = True
            self._room.notify()

    def _read(self) -> None:
        try:
            for row in self._source:
                self._put(row)
                if self._done:
                    return
        except BaseException as error:
            self._error = error
        finally:
            self._done = True
            self._wake()

    def _put(self, row: T) -> None:
        with self._room:
            self._room.wait_for(lambda: self._done or len(self._ahead) < _MOST_AHEAD)
        self._ahead.append(row)
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(_set, waiter)


def _set(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
