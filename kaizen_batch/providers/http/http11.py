"""One HTTP/1.1 connection: it carries one call at a time, and knows whether a broken call can be repeated.

A server may close a kept connection at any time (RFC 9112, 9.5), so a request can cross the close on its way. Two
checks keep such a request from failing its call:

1. Before a connection is reused, `is_quiet` looks at its socket. A readable one has been closed, or has bytes on it
   that belong to no request.
2. If a reused connection ends before the first byte of a response, the question is whether the server has read the
   request: if so, the call may be billed. A kernel that gets bytes for a closed socket answers with a reset, within one
   round trip. Seen in time, it proves that nobody read the request (`RequestUnreadError`), and the call is sent again
   on a fresh connection. A close without a reset proves nothing: the call fails, and may have been billed.

httptools (llhttp, the parser of Node.js) reads responses in C. What it refuses is read again by `ResponseReader`, which
is as lenient as RFC 9112 allows, in Python.
"""

import asyncio
import math
import os
import select
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import httptools

from kaizen_batch.providers.chat_responses import HttpResponse, is_rate_limit_header
from kaizen_batch.providers.http.response_reader import (
    FRAMING,
    MAX_HEAD,
    Frame,
    ResponseError,
    ResponseReader,
    ResponseTooLargeError,
    decoded,
    frame_of,
    keep_alive_of,
)

KEEP_ALIVE_S = 4.0
"""Common servers close a connection that was idle for 5 s; closing it before leaves less to chance."""

_MAX_KEEP_ALIVE_S = 55.0
_CLOSED_ERRORS = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)
_MIN_GRACE_S = 0.01
# The framing of nearly all responses: a length, which httptools has checked, and nothing else.
_PLAIN, _PLAIN_FRAME = {"content-length": "0"}, Frame(True, 0)
_NO_FRAMING: dict[str, str] = {}


class ConnectionClosed(ConnectionError):
    """The connection ended before the response did."""


class RequestUnreadError(ConnectionError):
    """The server had closed a kept connection: it has not read the request, which can be sent again."""


class Connection(asyncio.BufferedProtocol):
    """One connection; `response` is the future of the call in progress.

    `free` says that the next call may be sent, unless `is_quiet` or the time since `idle_since` objects. `location` is
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
        self._limit = limit
        self.transport: asyncio.Transport
        self.response: asyncio.Future[HttpResponse] | None = None
        self.free = False
        self.idle_since = 0.0
        self.keep_s = KEEP_ALIVE_S
        self.location: str | None = None
        self.round_trip_s = 0.0
        self._calls = 0
        self._max_calls = math.inf
        self._sent_at = 0.0
        self.poll: Callable[[int], list[Any]] = lambda _: []
        self._probe: tuple[asyncio.TimerHandle, int, asyncio.Future[HttpResponse]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reader: ResponseReader | None = None  # in place of httptools, for the response in progress
        self._status = 0  # until the header is complete
        self._frame = _PLAIN_FRAME
        self._headers: dict[str, str] = {}
        self._framing: dict[str, str] = _NO_FRAMING
        self._parts: list[bytes] = []
        self._size = 0
        self._raw: list[bytes] = []  # what has arrived, as long as httptools may still refuse it
        self._may_be_refused = True
        self._touched = False

    def send(self, request: bytes, now: float) -> "asyncio.Future[HttpResponse]":
        """Write a request. The future gets the response, or an OSError."""
        self.free = False
        self.response = response = self._loop.create_future()
        self._calls += 1
        self._sent_at = now
        self._touched = False
        self.transport.write(request)
        return response

    async def tunnel(self, request: bytes) -> int:
        """Ask a proxy for a tunnel; the status of its answer, after which the connection belongs to the tunnel."""
        self._reader = ResponseReader(self._limit, is_tunnel=True)
        answer = await self.send(request, self._loop.time())
        self._calls = 0
        return answer.status

    def is_quiet(self) -> bool:
        """Whether nothing has arrived on the idle connection: neither its end nor bytes that nobody asked for."""
        return not self.poll(0)

    def abort(self) -> None:
        """Close at once; a call in progress fails."""
        self._fail(ConnectionClosed("the client was closed"))
        if self._probe is not None:
            self._end_probe(ConnectionClosed("the client was closed"))

    def connection_made(self, transport: Any) -> None:
        """asyncio: the connection is open."""
        self.transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(select, "poll"):
            poller = select.poll()
            poller.register(sock.fileno(), select.POLLIN)
            self.poll = poller.poll

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
            if self._reader is not None:
                self._read(bytes(data))
                return
            self._parser.feed_data(data)
        except ResponseError as error:
            self._fail(error)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refused(error, data)
        if self._may_be_refused and self.response is not None and self._reader is None:
            self._raw.append(bytes(data))
            self._check_head()

    def _refused(self, error: Exception, data: memoryview) -> None:
        """Read from its beginning what httptools does not accept."""
        if self.response is None:
            self._spoil()  # what follows the response is not one
            return
        try:
            if isinstance(error.__context__, ResponseError):  # raised by one of its callbacks
                raise error.__context__
            self._reader = ResponseReader(self._limit)
            self._read(b"".join([*self._raw, data]))
        except ResponseError as refused:
            self._fail(refused)

    def _check_head(self) -> None:
        if not self._status and sum(map(len, self._raw)) > MAX_HEAD:
            self._fail(ResponseTooLargeError(f"the header of the response is larger than {MAX_HEAD:,} bytes"))

    def _read(self, data: bytes) -> None:
        reader = self._reader
        assert reader is not None
        response = reader.feed(data)
        if reader.head is not None:
            self._status, self._headers, self._frame = reader.head
        if response is not None:
            self._parser, self._reader = httptools.HttpResponseParser(self), None
            self._finish(response, keep=reader.keep)

    def eof_received(self) -> None:
        """asyncio: nothing more will arrive."""
        self.free = False
        if self.response is None:
            return
        if self._status and self._frame.until_close:
            try:
                self._complete(self._body() if self._reader is None else self._reader.body(), keep=False)
            except ResponseError as error:
                self._fail(error)
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

    # httptools calls these.

    def on_message_begin(self) -> None:
        """httptools: a response begins."""
        if self.response is None:
            self._spoil()

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header, or a trailer, which says nothing about the content."""
        known = _known(name)
        if known is None or self._status:
            return
        if known == "content-length":
            if self._framing is _NO_FRAMING:
                self._framing = _PLAIN
            return
        text = value.strip().decode("latin-1")
        if known in FRAMING:
            framing = self._framing = dict(self._framing)
            framing[known] = f"{framing[known]}, {text}" if known in framing else text
        else:
            self._headers.setdefault(known, text)

    def on_headers_complete(self) -> None:
        """httptools: the header is complete."""
        self._status = status = self._parser.get_status_code()
        if self._framing is _PLAIN:
            self._may_be_refused = False  # a length that httptools has accepted is valid
        else:
            self._frame = frame_of(status, True, self._framing)
            self._may_be_refused = self._frame.length is None

    def on_body(self, body: bytes) -> None:
        """httptools: part of the body."""
        self._parts.append(body)
        self._size += len(body)
        if self._size > self._limit:
            raise ResponseTooLargeError(f"the response is larger than {self._limit:,} bytes")

    def on_message_complete(self) -> None:
        """httptools: the response is complete."""
        if self.response is None:
            return
        if self._status < 200:
            self._begin()
            return
        parts = self._parts
        self._complete(parts[0] if len(parts) == 1 else b"".join(parts), keep=self._parser.should_keep_alive())

    def _complete(self, body: bytes, *, keep: bool) -> None:
        frame = self._frame
        if frame.codings:
            body = decoded(self._status, body, frame.codings, self._limit)
        self._finish(HttpResponse(self._status, self._headers, body), keep=keep)

    def _begin(self) -> None:
        """Get ready for the next response."""
        self._status, self._frame = 0, _PLAIN_FRAME
        self._headers, self._framing = {}, _NO_FRAMING
        self._parts, self._raw = [], []
        self._size, self._may_be_refused = 0, True

    def _body(self) -> bytes:
        parts = self._parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _finish(self, response: HttpResponse, *, keep: bool) -> None:
        future, self.response, frame = self.response, None, self._frame
        self.location = frame.location
        if frame.keep_alive is not None:
            self._obey_keep_alive(frame.keep_alive)
        # A response that came before all of the request was sent: the server will not read the rest.
        self.free = keep and self._calls < self._max_calls and not self.transport.get_write_buffer_size()
        if not self.free:
            self.transport.close()
        if future is not None and not future.done():
            future.set_result(response)
        self._begin()

    def _spoil(self) -> None:
        """More has arrived than the response: it belongs to nobody, and the connection carries no further call."""
        self.free = False
        self.transport.close()

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
        if self._status >= 300:
            self.location = None
            future.set_result(HttpResponse(self._status, self._headers, b""))  # an error's status is certain
        else:
            future.set_exception(error)

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
        """Look once more after a round trip; a copy of the descriptor keeps the socket in the kernel until then."""
        sock = self.transport.get_extra_info("socket")
        future = self.response
        if sock is None or future is None or not hasattr(select, "poll"):
            return
        self.response = None
        descriptor = os.dup(sock.fileno())
        timer = self._loop.call_later(max(0.0, self._grace_s - self._age_s), self._look, descriptor)
        self._probe = timer, descriptor, future

    def _look(self, descriptor: int) -> None:
        poller = select.poll()
        poller.register(descriptor, 0)  # errors and hang-ups only
        was_reset = any(events & (select.POLLERR | select.POLLHUP) for _, events in poller.poll(0))
        kind = RequestUnreadError if was_reset else ConnectionClosed
        self._end_probe(kind("the connection was closed"))

    def _end_probe(self, error: ConnectionError) -> None:
        assert self._probe is not None
        (timer, descriptor, future), self._probe = self._probe, None
        timer.cancel()
        with suppress(OSError):
            os.close(descriptor)
        if not future.done():
            future.set_exception(error)
        self._closed(self)


@lru_cache(maxsize=512)
def _known(name: bytes) -> str | None:
    """A header's name in lower case, if it matters; endpoints send the same two dozen with every response."""
    lower = name.strip().lower().decode("latin-1")
    return lower if lower in FRAMING or is_rate_limit_header(lower) else None
