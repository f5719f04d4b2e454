"""One HTTP/1.1 connection: a request written by hand, and its answer read by httptools."""

import asyncio
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import httptools

from kaizen_batch.providers.chat_responses import HttpResponse, is_rate_limit_header

_ENCODING, _LENGTHS = "content-encoding", ("content-length", "transfer-encoding")


class ConnectionClosed(ConnectionError):
    """The connection ended before the answer did."""


class Connection(asyncio.BufferedProtocol):
    """One connection; it carries one call at a time.

    `answer` is the future of the call under way; `free` says that the next one may be written.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, buffer: memoryview, closed: Callable[..., None]) -> None:
        self._loop = loop
        self._buffer = buffer
        self._closed = closed
        self._transport: asyncio.Transport
        self.answer: asyncio.Future[HttpResponse] | None = None
        self.free: bool = False
        self.idle_since: float = 0.0
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, head: bytes, body: bytes) -> "asyncio.Future[HttpResponse]":
        """Write a request; the future gets what comes, or an OSError or HttpParserError."""
        self.free = False
        self.answer = answer = self._loop.create_future()
        self._begin()
        self._transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        return answer

    def abort(self) -> None:
        """Close at once; who still waits for an answer is told so."""
        self._fail(ConnectionClosed("the client was closed"))

    def connection_made(self, transport: Any) -> None:
        """asyncio: it is open."""
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where the next bytes go to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: so many bytes came in."""
        if self.answer is None:  # nobody has asked
            self.abort()
            return
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(error)

    def eof_received(self) -> None:
        """asyncio: nothing more will come."""
        self.free = False
        if self.answer is not None and self._headers_read and not self._has_length:
            self._finish(self._parser.get_status_code(), keep=False)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: it is gone."""
        self.free = False
        if self.answer is not None:
            self._fail(error or ConnectionClosed("the connection was closed"))
        self._closed(self)

    # httptools calls these.

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        known = _known(name)
        if known is None:
            return
        if known in _LENGTHS:
            self._has_length = True
        elif known == _ENCODING:
            self._encoding = value.strip().lower()
        else:
            self._told.setdefault(known, value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """httptools: the headers are over."""
        self._headers_read = True

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """httptools: the whole answer is there."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # a hint before the answer
            self._begin()
        else:
            self._finish(status, keep=self._parser.should_keep_alive())

    def _begin(self) -> None:
        self._told: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._encoding = b""
        self._has_length = self._headers_read = False

    def _finish(self, status: int, *, keep: bool) -> None:
        answer, self.answer, self.free = self.answer, None, keep
        if not keep:
            self._transport.close()
        if answer is None or answer.done():
            return
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if self._encoding:
            try:
                body = _decoded(body, self._encoding)
            except zlib.error as error:
                answer.set_exception(ConnectionClosed(str(error)))
                return
        answer.set_result(HttpResponse(status, self._told, body))

    def _fail(self, error: Exception) -> None:
        answer, self.answer, self.free = self.answer, None, False
        self._transport.abort()
        if answer is not None and not answer.done():
            answer.set_exception(error)


@lru_cache(maxsize=512)
def _known(name: bytes) -> str | None:
    """A header's name in lower case, if it matters; endpoints send the same two dozen with every answer."""
    lower = name.lower().decode("latin-1")
    return lower if lower == _ENCODING or lower in _LENGTHS or is_rate_limit_header(lower) else None


def _decoded(body: bytes, encoding: bytes) -> bytes:
    """A body as it was before it was compressed. Raises: zlib.error."""
    if encoding in (b"gzip", b"x-gzip"):
        return zlib.decompress(body, wbits=31)
    if encoding == b"deflate":
        with suppress(zlib.error):
            return zlib.decompress(body)
        return zlib.decompress(body, wbits=-15)
    return body
