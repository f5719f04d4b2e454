"""Reads one HTTP/1.1 response from bytes as they arrive. Pure: no sockets, no clock.

The states are HEAD, then BODY (a known length, chunked, or until the connection closes), then done. A 1xx response is
skipped. The framing follows RFC 9112, section 6.3, and is as lenient as a client may be:

- bare LF ends a line (2.2), a line that begins with a space continues the header before (5.2);
- Transfer-Encoding overrides Content-Length; Content-Length may be repeated if all values agree;
- trailers are read and ignored: they say nothing about the content (RFC 9110, 6.5.1);
- bytes after the end of the response belong to nobody: `keep` becomes False, and the connection must be closed.

An error whose status is known keeps its status even if its body cannot be read.
"""

import re
from typing import Literal

from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.content_codings import ContentError, decode
from kaizen_batch.providers.http.frames import INVALID_LENGTH, Head, ResponseError, ResponseTooLargeError, parse_head

MAX_HEAD = 2**17  # bytes of a response's head, of its 1xx responses and of its trailers
_MAX_LINE = 2**12  # bytes of a line with the size of a chunk

_find_end_of_head = re.compile(rb"\n\r?\n").search
_read_chunk_size = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?").fullmatch


class ResponseReader:
    """Reads one response; `limit` bounds its body, before and after decompression.

    Of the answer to CONNECT, which `is_tunnel` says, only the head is read.

    After `feed` returned a response, `head` is its head, and `keep` says whether the connection can carry another call.
    A body that lasts until the close is `body()`.
    """

    __slots__ = (
        *("_data", "_is_tunnel", "_limit", "_missing", "_parts", "_scanned", "_size", "_skipped", "_stage"),
        *("head", "keep"),
    )

    def __init__(self, limit: int, *, is_tunnel: bool = False) -> None:
        self._is_tunnel = is_tunnel
        self.head: Head | None = None
        self.keep: bool = False
        self._limit = limit
        self._stage: Literal["head", "length", "chunk", "chunk end", "size", "trailers", "close"] = "head"
        self._data = b""  # not consumed yet
        self._parts: list[bytes] = []
        self._size = 0  # bytes of the body so far
        self._missing = 0  # bytes of the body, or of its chunk, that have not arrived
        self._skipped = 0  # bytes of 1xx responses
        self._scanned = 0

    def feed(self, data: bytes) -> HttpResponse | None:
        """Take the next bytes; the response when it is complete. Raises: ResponseError."""
        if self._data:
            data = self._data + data
        if self._stage == "head":
            return self._feed_head(data)
        return self._feed_body(data)

    def _feed_head(self, data: bytes) -> HttpResponse | None:
        while True:
            if data[:1] in (b"\r", b"\n"):  # RFC 9112, 2.2: empty lines before the status line
                data = data.lstrip(b"\r\n")
            found = _find_end_of_head(data, self._scanned)
            if found is None:
                self._wait_for_head(data)
                return None
            head = parse_head(data[: found.start()])
            data, self._scanned = data[found.end() :], 0
            if head.status >= 200:
                return self._begin(head, data)
            if head.status == 101:
                raise ResponseError("the server switches to another protocol")
            self._skipped += found.end()

    def _begin(self, head: Head, rest: bytes) -> HttpResponse | None:
        frame = head.frame
        self.head, self.keep = head, frame.keep
        if self._is_tunnel:
            self.keep = True
            return HttpResponse(head.status, head.headers, b"")
        if frame.length == INVALID_LENGTH:
            return self._without_body(head)
        if frame.chunked:
            self._stage = "size"
        elif frame.length is None:
            self._stage = "close"
        else:
            self._stage, self._missing = "length", frame.length
            self._check_size(frame.length)
        return self._feed_body(rest)

    def _feed_body(self, data: bytes) -> HttpResponse | None:
        self._data = b""
        if self._stage == "length":
            return self._feed_length(data)
        if self._stage == "close":
            self._add(data)
            return None
        return self._feed_chunks(data)

    def _without_body(self, head: Head) -> HttpResponse:
        """The response whose lengths contradict each other."""
        self.keep = False
        if 200 <= head.status < 300:
            raise ResponseError("the Content-Length of the response is invalid")
        return HttpResponse(head.status, head.headers, b"")

    def _wait_for_head(self, data: bytes) -> None:
        if len(data) + self._skipped > MAX_HEAD:
            raise ResponseTooLargeError(f"the response's header is larger than {MAX_HEAD:,} bytes")
        self._data = data
        self._scanned = max(0, len(data) - 3)

    def _feed_length(self, data: bytes) -> HttpResponse | None:
        missing = self._missing
        if len(data) < missing:
            self._parts.append(data)
            self._missing = missing - len(data)
            return None
        if len(data) > missing:
            self.keep = False
            data = data[:missing]
        self._parts.append(data)
        return self._finish(b"")

    def _feed_chunks(self, data: bytes) -> HttpResponse | None:
        """Read chunks as far as the data goes; what is left of it waits for more."""
        at = 0
        while True:
            if self._stage == "chunk":
                piece = data[at : at + self._missing]
                at += len(piece)
                self._missing -= len(piece)
                self._add(piece)
                if self._missing:
                    return None
                self._stage = "chunk end"
            end = data.find(b"\n", at)
            if end < 0:
                self._wait_for_line(data[at:])
                return None
            line = data[at:end].rstrip(b"\r")
            at = end + 1
            if self._end_line(line):
                return self._finish(data[at:])

    def _wait_for_line(self, rest: bytes) -> None:
        if len(rest) > _MAX_LINE:
            raise ResponseError("a line between chunks is too long")
        self._data = rest

    def _end_line(self, line: bytes) -> bool:
        """Take a line between chunks; whether it was the last of the response."""
        if self._stage == "trailers":
            self._skipped += len(line) + 1
            if self._skipped > MAX_HEAD:
                raise ResponseTooLargeError(f"the response's trailers are larger than {MAX_HEAD:,} bytes")
            return not line
        if self._stage == "chunk end":
            if line:
                raise ResponseError("a chunk is longer than its size says")
            self._stage = "size"
            return False
        found = _read_chunk_size(line)
        if found is None:
            raise ResponseError("the size of a chunk is not a number")
        self._missing = int(found[1], 16)
        self._check_size(self._size + self._missing)
        self._stage = "chunk" if self._missing else "trailers"
        return False

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        self._check_size(self._size)  # of a body that lasts until the close, nobody announced the size
        self._parts.append(piece)

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise ResponseTooLargeError(f"the response is larger than {self._limit:,} bytes")

    def _finish(self, rest: bytes) -> HttpResponse:
        head = self.head
        assert head is not None
        if rest:
            self.keep = False
        body = decoded(head.status, self.body(), head.frame.codings, self._limit)
        return HttpResponse(head.status, head.headers, body)

    def body(self) -> bytes:
        """The body as far as it has arrived."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


def decoded(status: int, body: bytes, codings: tuple[str, ...], limit: int) -> bytes:
    """A body without its codings; that of an error is empty if it cannot be decoded, since the status counts."""
    if not codings or not body:
        return body
    try:
        return decode(body, codings, limit)
    except ContentError as error:
        if not 200 <= status < 300:
            return b""
        kind = ResponseTooLargeError if error.too_large else ResponseError
        raise kind(str(error)) from None
