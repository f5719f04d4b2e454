"""Reads the responses on one connection: with httptools, and with ResponseReader what httptools refuses.

httptools (llhttp, the parser of Node.js) reads in C, and strictly. A response that it refuses is read again from its
beginning by `ResponseReader`, which is as lenient as RFC 9112 allows, in Python. `keep` is False when more has arrived
than the response: those bytes belong to nobody, and the connection must not carry another call.
"""

import httptools

from kaizen_batch.providers.chat_responses import HttpResponse
from kaizen_batch.providers.http.frames import (
    FRAMING,
    Frame,
    ResponseError,
    ResponseTooLargeError,
    frame_of,
    known_header,
)
from kaizen_batch.providers.http.response_reader import MAX_HEAD, ResponseReader, decoded

# The framing of nearly all responses: a length, which httptools has checked, and nothing else.
_PLAIN, PLAIN_FRAME = {"content-length": "0"}, Frame(True, 0)
_NO_FRAMING: dict[str, str] = {}
_LARGE = 6  # digits of a length that is compared to the limit before the body arrives
_REFUSALS = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class ResponseParser:
    """Reads one response after the other; `keep` and `frame` are those of the last one."""

    def __init__(self, limit: int) -> None:
        self.keep: bool = False
        self.frame: Frame = PLAIN_FRAME
        self._limit = limit
        self._parser = httptools.HttpResponseParser(self)
        self._reader: ResponseReader | None = None  # in place of httptools, for the response in progress
        self._response: HttpResponse | None = None
        self._status = 0  # until the header is complete
        self._frame = PLAIN_FRAME
        self._headers: dict[str, str] = {}
        self._framing: dict[str, str] = _NO_FRAMING
        self._parts: list[bytes] = []
        self._size = 0
        self._raw: list[bytes] = []  # what has arrived, as long as httptools may still refuse it
        self._raw_size = 0
        self._is_large = False
        self._may_be_refused = True

    def feed(self, data: memoryview) -> HttpResponse | None:
        """Take the next bytes; the response when it is complete. Raises: ResponseError."""
        if self._reader is not None:
            return self._read(self._reader, bytes(data))
        try:
            self._parser.feed_data(data)
        except _REFUSALS as error:
            self._refused(error, data)
        response = self._response
        if response is not None:
            self._response = None
        elif self._may_be_refused:
            self._raw.append(bytes(data))
            self._raw_size += len(data)
            self._check_raw()
        return response

    def end(self) -> HttpResponse | None:
        """The connection has ended: the response, if that was its proper end. Raises: ResponseError."""
        if not self._status or not self._frame.until_close:
            return None
        self._complete(b"".join(self._parts) if self._reader is None else self._reader.body(), keep=False)
        response, self._response = self._response, None
        return response

    def salvage(self) -> HttpResponse | None:
        """What is certain of a response that cannot be read to its end: an error's status, and its headers."""
        return HttpResponse(self._status, self._headers, b"") if self._status >= 300 else None

    def _refused(self, error: Exception, data: memoryview) -> None:
        """Read from its beginning what httptools does not accept."""
        if self._response is not None:
            self.keep = False  # what follows the response is not one
            return
        if isinstance(error.__context__, ResponseError):  # raised by one of the callbacks
            raise error.__context__
        self._reader = ResponseReader(self._limit)
        self._response = self._read(self._reader, b"".join([*self._raw, data]))

    def _check_raw(self) -> None:
        """Bound what httptools does not: headers, 1xx responses, trailers, and what lies between chunks."""
        limit = MAX_HEAD + 2 * self._limit if self._status else MAX_HEAD
        if self._raw_size > limit:
            raise ResponseTooLargeError(f"the response is larger than {limit:,} bytes without its content")

    def _read(self, reader: ResponseReader, data: bytes) -> HttpResponse | None:
        response = reader.feed(data)
        if reader.head is not None:
            self._status, self._headers, self._frame = reader.head
        if response is not None:
            self._parser, self._reader = httptools.HttpResponseParser(self), None
            self.keep, self.frame = reader.keep, self._frame
            self._begin()
        return response

    # httptools calls these.

    def on_message_begin(self) -> None:
        """httptools: a response begins."""
        if self._response is not None:
            self.keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header, or a trailer, which says nothing about the content."""
        known = known_header(name)
        if known is None or self._status:
            return
        if known == "content-length":
            self._is_large = len(value) > _LARGE
            if self._is_large:
                self._size = int(value)
            if self._framing is _NO_FRAMING:
                self._framing = _PLAIN
                return
        text = value.strip().decode("latin-1")
        if known not in FRAMING:
            self._headers.setdefault(known, text)
            return
        framing = self._framing = dict(self._framing)
        framing[known] = f"{framing[known]}, {text}" if known in framing else text

    def on_headers_complete(self) -> None:
        """httptools: the header is complete."""
        self._status = status = self._parser.get_status_code()
        if self._framing is _PLAIN:
            self._may_be_refused = False  # a length that httptools has accepted is valid
        else:
            self._frame = frame_of(status, True, self._framing)
            self._may_be_refused = self._frame.length is None
        if self._is_large:
            self._check_size()
            self._is_large, self._size = False, 0

    def on_body(self, body: bytes) -> None:
        """httptools: part of the body."""
        self._parts.append(body)
        self._size += len(body)
        if self._size > self._limit:
            self._check_size()

    def _check_size(self) -> None:
        if self._size > self._limit:
            raise ResponseTooLargeError(f"the response is larger than {self._limit:,} bytes")

    def on_message_complete(self) -> None:
        """httptools: the response is complete."""
        if self._response is not None:
            return
        if self._status < 200:
            self._begin()
            return
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if self._frame is not PLAIN_FRAME:
            self._complete(body, keep=self._parser.should_keep_alive())
            return
        self._response = HttpResponse(self._status, self._headers, body)
        self.keep, self.frame = self._parser.should_keep_alive(), PLAIN_FRAME
        self._status, self._headers, self._framing = 0, {}, _NO_FRAMING
        self._parts, self._size, self._may_be_refused = [], 0, True
        if self._raw:
            self._raw, self._raw_size = [], 0

    def _complete(self, body: bytes, *, keep: bool) -> None:
        frame, status = self._frame, self._status
        body = decoded(status, body, frame.codings, self._limit)
        self._response = HttpResponse(status, self._headers, body)
        self.keep, self.frame = keep, frame
        self._raw_size = 0
        self._begin()

    def _begin(self) -> None:
        """Get ready for the next response."""
        self._status, self._frame = 0, PLAIN_FRAME
        self._headers, self._framing = {}, _NO_FRAMING
        self._parts, self._raw = [], []
        self._size, self._may_be_refused = 0, True
