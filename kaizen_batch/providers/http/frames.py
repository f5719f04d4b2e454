"""What the head of an HTTP/1.1 response says, above all where its body ends (RFC 9112, section 6.3). Pure functions."""

import re
from functools import lru_cache
from typing import NamedTuple

from kaizen_batch.providers.chat_responses import is_rate_limit_header

FRAMING = ("content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive", "location")
"""The headers that concern the client; all others are ignored, but those about limits."""

INVALID_LENGTH = -1

_NO_BODY = (204, 304)
_NO_LENGTH: int | None = 0
_read_status_line = re.compile(rb"HTTP/1\.([01]) +(\d{3})(?: .*)?").fullmatch
_read_keep_alive = re.compile(r"(timeout|max)\s*=\s*\"?(\d{1,9})").findall


class ResponseError(ConnectionError):
    """The bytes are not a readable HTTP response."""


class ResponseTooLargeError(ResponseError):
    """The response exceeds the limit on its size."""


@lru_cache(maxsize=512)
def known_header(name: bytes) -> str | None:
    """A header's name in lower case, if it matters; endpoints send the same two dozen with every response."""
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
    """The head of a response; a line that begins with a space continues the header before. Raises: ResponseError."""
    first, *lines = raw.split(b"\n")
    found = _read_status_line(first.rstrip(b"\r"))
    if found is None:
        raise ResponseError("the server does not speak HTTP/1.1")
    headers: dict[str, str] = {}
    framing: dict[str, str] = {}
    for name, value in _fields(lines):
        if name not in FRAMING:
            headers.setdefault(name, value)
        elif name in framing:
            framing[name] = f"{framing[name]}, {value}"
        else:
            framing[name] = value
    status = int(found[2])
    return Head(status, headers, frame_of(status, found[1] == b"1", framing))


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """The headers that matter, each in one line."""
    unfolded: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and unfolded:
            unfolded[-1] += b" " + line.strip()
        else:
            unfolded.append(line.strip())
    parts = (line.partition(b":") for line in unfolded)
    return [(known, value.strip().decode("latin-1")) for name, _, value in parts if (known := known_header(name))]


def frame_of(status: int, keep: bool, framing: dict[str, str]) -> Frame:
    """What the headers that concern the framing come to; `keep` is the default of the HTTP version."""
    keep = _keeps(_tokens(framing.get("connection", "")), keep)
    codings = _tokens(framing.get("content-encoding", ""))
    transfer = [name for name in _tokens(framing.get("transfer-encoding", "")) if name != "identity"]
    codings += tuple(name for name in transfer if name != "chunked")
    chunked, length = False, _NO_LENGTH
    if status >= 200 and status not in _NO_BODY:
        chunked, length = transfer[-1:] == ["chunked"], _length(framing, overridden=bool(transfer))
    keep = keep and (length is not None or chunked)
    return Frame(keep, length, chunked, codings, framing.get("location"), framing.get("keep-alive"))


def _keeps(options: tuple[str, ...], default: bool) -> bool:
    return "close" not in options and (default or "keep-alive" in options)


def _tokens(value: str) -> tuple[str, ...]:
    return tuple(token for part in value.lower().split(",") if (token := part.partition(";")[0].strip()))


def _length(framing: dict[str, str], *, overridden: bool) -> int | None:
    """The Content-Length, which may be repeated if all values agree, unless Transfer-Encoding overrides it."""
    value = framing.get("content-length")
    if value is None or overridden:
        return None
    lengths = {part.strip() for part in value.split(",")}
    first = lengths.pop()
    return int(first) if not lengths and re.fullmatch(r"[0-9]{1,18}", first) else INVALID_LENGTH


def keep_alive_of(value: str) -> tuple[float | None, int | None]:
    """Seconds and calls of `Keep-Alive: timeout=5, max=100`; None where it says nothing."""
    found = {name: int(number) for name, number in _read_keep_alive(value.lower())}
    return found.get("timeout"), found.get("max")
