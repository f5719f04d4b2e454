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
from functools import lru_cache
from typing import Literal, NamedTuple

from kaizen_batch.providers.chat_responses import HttpResponse, is_rate_limit_header
from kaizen_batch.providers.http.content_codings import ContentError, decode

MAX_HEAD = 2**17  # bytes of a response's head, of its 1xx responses and of its trailers
_MAX_LINE = 2**12  # bytes of a line with the size of a chunk
_NO_BODY = (204, 304)
_INVALID = -1

_find_end_of_head = re.compile(rb"\n\r?\n").search
_read_status_line = re.compile(rb"HTTP/1\.([01]) +(\d{3})(?: .*)?").fullmatch
_read_chunk_size = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?").fullmatch
_read_keep_alive = re.compile(r"(timeout|max)\s*=\s*\"?(\d{1,9})").findall


class ResponseError(ConnectionError):
    """The bytes are not a readable HTTP response."""


class ResponseTooLargeError(ResponseError):
    """The response exceeds the limit on its size."""


class _Fold:
    """Marks a line that continues the header before it."""


_FOLD = _Fold()
FRAMING = ("content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive", "location")


@lru_cache(maxsize=512)
def _known(name: bytes) -> "str | _Fold | None":
    """A header's name in lower case, if it matters; endpoints send the same two dozen with every response."""
    if name[:1] in (b" ", b"\t"):
        return _FOLD
    lower = name.strip().lower().decode("latin-1")
    return lower if lower in FRAMING or is_rate_limit_header(lower) else None


class Frame(NamedTuple):
    """How a response is framed. `length` is None for a body that is chunked or lasts until the close."""

    keep: bool
    length: int | None
    chunked: bool = False
    codings: tuple[str, ...] = ()
    location: str | None = None
    keep_alive: str | None = None

    @property
    def until_close(self) -> bool:
        """Whether the end of the connection ends the body."""
        return self.length is None and not self.chunked


class Head(NamedTuple):
    """What a response's head says."""

    status: int
    headers: dict[str, str]
    frame: Frame


def parse_head(raw: bytes) -> Head:
    """The head of a response. Raises: ResponseError."""
    lines = raw.split(b"\n")
    found = _read_status_line(lines[0].rstrip(b"\r"))
    if found is None:
        raise ResponseError("the server does not speak HTTP/1.1")
    status, keep = int(found[2]), found[1] == b"1"
    headers: dict[str, str] = {}
    framing: dict[str, str] = {}
    last: tuple[dict[str, str], str] | None = None
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        known = _known(name)
        if known is None:
            last = None
            continue
        if isinstance(known, _Fold):
            if last is not None:
                last[0][last[1]] += " " + line.strip().decode("latin-1")
            continue
        into = framing if known in FRAMING else headers
        text = value.strip().decode("latin-1")
        if known not in into:
            into[known] = text
        elif into is framing:
            into[known] = f"{into[known]}, {text}"
        last = into, known
    return Head(status, headers, frame_of(status, keep, framing))


def frame_of(status: int, keep: bool, framing: dict[str, str]) -> Frame:
    """What the headers that concern the framing come to; `keep` is the default of the HTTP version."""
    if "connection" in framing:
        options = _tokens(framing["connection"])
        keep = "close" not in options and (keep or "keep-alive" in options)
    length, chunked, codings = None, False, _tokens(framing.get("content-encoding", ""))
    transfer = [name for name in _tokens(framing.get("transfer-encoding", "")) if name != "identity"]
    if status < 200 or status in _NO_BODY:
        length = 0
    elif transfer:
        chunked = transfer[-1] == "chunked"
        codings += tuple(name for name in transfer if name != "chunked")
    elif "content-length" in framing:
        length = _length(framing["content-length"])
    keep = keep and (length is not None or chunked)
    return Frame(keep, length, chunked, codings, framing.get("location"), framing.get("keep-alive"))


def _tokens(value: str) -> tuple[str, ...]:
    return tuple(token for part in value.lower().split(",") if (token := part.partition(";")[0].strip()))


def _length(value: str) -> int:
    """The number in a Content-Length, which may be repeated; `_INVALID` if there is none, or more than one."""
    lengths = {part.strip() for part in value.split(",")}
    first = lengths.pop()
    return int(first) if not lengths and first.isascii() and first.isdigit() and len(first) <= 18 else _INVALID


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
        self.keep = False
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
        if frame.length == _INVALID:
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


def keep_alive_of(value: str) -> tuple[float | None, int | None]:
    """Seconds and calls of `Keep-Alive: timeout=5, max=100`; None where it says nothing."""
    found = {name: int(number) for name, number in _read_keep_alive(value.lower())}
    return found.get("timeout"), found.get("max")
