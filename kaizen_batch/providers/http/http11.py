"""One HTTP/1.1 connection: it carries one call at a time, and knows whether a broken call can be repeated.

A server may close a kept connection at any time (RFC 9112, 9.5), so a request can cross the close on its way. Two
checks keep such a request from failing its call:

1. Before a connection is reused, `poll(0)` looks at its socket. A readable one has been closed, or has bytes on it that
   belong to no request.
2. If a reused connection ends before the first byte of a response, the question is whether the server has read the
   request: if so, the call may be billed. A reset within one round trip proves that nobody read it (see `ResetProbe`):
   `RequestUnreadError`, and the call is sent again on a fresh connection. A close without a reset proves nothing: the
   call fails, and may have been billed.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.frames import ResponseError, keep_alive_of
from kaizen_batch.providers.http.reset_probe import HAS_POLL, ResetProbe, poller_of
from kaizen_batch.providers.http.response_parser import PLAIN_FRAME, ResponseParser
from kaizen_batch.providers.http.response_reader import ResponseReader

KEEP_ALIVE_S = 4.0
"""Common servers close a connection that was idle for 5 s; closing it before leaves less to chance."""

_MAX_KEEP_ALIVE_S = 55.0
_CLOSED_ERRORS = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)
_MIN_GRACE_S = 0.01
_SENT_AT_ONCE = 2**14  # bytes: they fit into the empty buffer of any socket


class ConnectionClosed(ConnectionError):
    """The connection ended before the response did."""


class RequestUnreadError(ConnectionError):
    """The server had closed a kept connection: it has not read the request, which can be sent again."""


class Connection(asyncio.BufferedProtocol):
    """One connection; `response` is the future of the call in progress.

    `free` says that the next call may be sent, unless `poll(0)` or the time since `idle_since` objects. `location` is
    where the last response redirects to. `round_trip_s` bounds the time of a round trip.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        buffer: memoryview,
        closed: "Callable[[Connection], object]",
        *,
        limit: int,
    ) -> None:
        self._loop = loop
        self._buffer = buffer
        self._closed = closed
        self.transport: asyncio.Transport
        self.response: asyncio.Future[HttpResponse] | None = None
        self.free: bool = False
        self.idle_since: float = 0.0
        self.keep_s: float = KEEP_ALIVE_S
        self.location: str | None = None
        self.round_trip_s: float = 0.0
        self.poll: Callable[[int], list[tuple[int, int]]] = lambda _: []
        self._calls = 0
        self._max_calls = math.inf
        self._sent_at = 0.0
        self._ends_at = math.inf
        self._touched = False
        self._is_large = False
        self._probe: ResetProbe | None = None
        self._in_probe: asyncio.Future[HttpResponse] | None = None
        self._parser = ResponseParser(limit)
        self._tunnel: ResponseReader | None = None

    def send(self, request: bytes, now: float, ends_at: float = math.inf) -> "asyncio.Future[HttpResponse]":
        """Write a request. The future gets the response, or an OSError, or TimeoutError by `end_late`."""
        self.free = self._touched = False
        self.location = None
        response: asyncio.Future[HttpResponse] = asyncio.Future(loop=self._loop)
        self.response = response
        self._calls += 1
        self._sent_at, self._ends_at = now, ends_at
        self._is_large = len(request) > _SENT_AT_ONCE
        self.transport.write(request)
        return response

    def end_late(self, now: float) -> float:
        """Fail the call in progress if its time is over; else the moment at which it is, inf without a call."""
        call = self.response or self._in_probe
        if call is None or call.done():
            return math.inf
        if self._ends_at > now:
            return self._ends_at
        call.set_exception(TimeoutError())
        return math.inf

    async def tunnel(self, request: bytes) -> int:
        """Ask a proxy for a tunnel; the status of its answer, after which the connection belongs to the tunnel."""
        self._tunnel = ResponseReader(0, is_tunnel=True)
        answer = await self.send(request, self._loop.time())
        self._tunnel, self._calls = None, 0
        return answer.status

    def abort(self) -> None:
        """Close at once; a call in progress fails."""
        self._fail(ConnectionClosed("the client was closed"))
        if self._probe is not None:
            self._probe.close()

    def connection_made(self, transport: Any) -> None:
        """asyncio: the connection is open."""
        self.transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None and HAS_POLL:
            self.poll = poller_of(sock.fileno())

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: `nbytes` were received."""
        if self.response is None:
            self.abort()  # bytes that belong to no request
            return
        self._touched = True
        data = self._buffer[:nbytes]
        try:
            response = self._parser.feed(data) if self._tunnel is None else self._tunnel.feed(bytes(data))
        except ResponseError as error:
            self._fail(error)
            return
        if response is not None:
            self._finish(response, keep=self._parser.keep or self._tunnel is not None)

    def eof_received(self) -> None:
        """asyncio: nothing more will arrive."""
        self.free = False
        if self.response is None:
            return
        try:
            response = self._parser.end()
        except ResponseError as error:
            self._fail(error)
            return
        if response is not None:
            self._finish(response, keep=False)
        elif self._was_idle:
            self._begin_probe()

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the connection is closed."""
        self.free = False
        if self.response is not None:
            if isinstance(error, _CLOSED_ERRORS) and self._was_idle and self._age_s <= self._grace_s:
                error = RequestUnreadError("the connection had been reset")
            self._fail(error or ConnectionClosed("the connection was closed"))
        if self._probe is None:
            self._closed(self)

    def _finish(self, response: HttpResponse, *, keep: bool) -> None:
        future, self.response, frame = self.response, None, self._parser.frame
        if frame is not PLAIN_FRAME:
            self.location = frame.location
            self._obey_keep_alive(frame.keep_alive or "")
        # A response that came before all of the request was sent: the server will not read the rest.
        self.free = keep and self._calls < self._max_calls and not (self._is_large and self._is_writing())
        if not self.free:
            self.transport.close()
        if future is not None and not future.done():
            future.set_result(response)

    def _is_writing(self) -> bool:
        return self.transport.get_write_buffer_size() > 0

    def _obey_keep_alive(self, value: str) -> None:
        """Note what the server says about kept connections."""
        timeout_s, max_calls = keep_alive_of(value)
        if timeout_s is not None:
            self.keep_s = min(max(timeout_s - 1.0, timeout_s / 2), _MAX_KEEP_ALIVE_S)
        if max_calls is not None:
            self._max_calls = max_calls

    def _fail(self, error: Exception) -> None:
        future, self.response, self.free = self.response, None, False
        self.transport.abort()
        if future is None or future.done():
            return
        certain = self._parser.salvage()
        if certain is None:
            future.set_exception(error)
        else:
            self.location = None
            future.set_result(certain)

    # Whether the server has read the request.

    @property
    def _was_idle(self) -> bool:
        """Whether the connection was reused, and nothing has arrived for the call in progress."""
        return self._calls > 1 and not self._touched

    @property
    def _age_s(self) -> float:
        """Seconds since the request was written."""
        return self._loop.time() - self._sent_at

    @property
    def _grace_s(self) -> float:
        """Within this time of the request, a reset is the answer to it."""
        return 2 * self.round_trip_s + _MIN_GRACE_S

    def _begin_probe(self) -> None:
        """Find out whether the server has read the request; its future waits for that."""
        sock, future = self.transport.get_extra_info("socket"), self.response
        if sock is None or future is None or not HAS_POLL:
            return
        self.response, self._in_probe = None, future

        def ended(was_reset: bool) -> None:
            kind = RequestUnreadError if was_reset else ConnectionClosed
            if not future.done():
                future.set_exception(kind("the connection was closed"))
            self._probe = self._in_probe = None
            self._closed(self)

        self._probe = ResetProbe(sock.fileno(), ended)
        self._probe.look_in(self._loop, self._grace_s - self._age_s)
