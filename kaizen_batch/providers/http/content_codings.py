"""Decompresses response bodies: gzip and deflate always, br and zstd where their libraries are installed.

`Content-Encoding` is a list in the order of application (RFC 9110, 8.4), so it is undone from its end. The result is
bounded at every step: a few kilobytes can decompress to gigabytes.
"""

import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

_MAX_CODINGS = 5
_GZIP_MAGIC = b"\x1f\x8b"


class ContentError(Exception):
    """A body cannot be decompressed, or is `too_large` then."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


def decode(body: bytes, codings: tuple[str, ...], limit: int) -> bytes:
    """A body as it was before it was compressed; at most `limit` bytes. Raises: ContentError."""
    if len(codings) > _MAX_CODINGS:
        raise ContentError("the response is compressed more than five times")
    for coding in reversed(codings):
        decoder = _decoders().get(coding)
        if decoder is None:
            raise ContentError(f"the response is compressed as {coding[:20]!r}, which cannot be read")
        try:
            body = decoder(body, limit)
        except ContentError:
            raise
        except Exception as error:  # each library has its own
            raise ContentError(f"the response cannot be decompressed ({coding}): {error}") from None
    return body


def accepted_codings() -> str:
    """The value of `Accept-Encoding`."""
    return ", ".join(name for name in ("gzip", "deflate", "br", "zstd") if name in _decoders())


@cache
def _decoders() -> dict[str, Callable[[bytes, int], bytes]]:
    decoders: dict[str, Callable[[bytes, int], bytes]] = {
        "gzip": _gunzip,
        "x-gzip": _gunzip,
        "deflate": _inflate,
        "identity": lambda body, _: body,
    }
    brotli, zstandard = _optional("brotli"), _optional("zstandard")
    if brotli is not None and hasattr(brotli.Decompressor, "can_accept_more_data"):  # since 1.2: bounded output
        decoders["br"] = lambda body, limit: _unbrotli(brotli, body, limit)
    if zstandard is not None:
        decoders["zstd"] = lambda body, limit: _unzstd(zstandard, body, limit)
    return decoders


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _bounded(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise ContentError(f"the decompressed response is larger than {limit:,} bytes", too_large=True)
    return data


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip file; what follows them is ignored, as by gzip itself."""
    parts: list[bytes] = []
    left = limit
    while not parts or body.startswith(_GZIP_MAGIC):
        member = zlib.decompressobj(wbits=31)
        parts.append(_bounded(member.decompress(body, left + 1), left))
        if not member.eof:
            raise ContentError("the compressed response ends early")
        left -= len(parts[-1])
        body = member.unused_data
    return b"".join(parts)


def _inflate(body: bytes, limit: int) -> bytes:
    """Deflate as the standard has it (with zlib's header), or raw, as some servers send it."""
    try:
        return _inflate_as(body, limit, 15)
    except zlib.error:
        return _inflate_as(body, limit, -15)


def _inflate_as(body: bytes, limit: int, wbits: int) -> bytes:
    stream = zlib.decompressobj(wbits=wbits)
    data = _bounded(stream.decompress(body, limit + 1), limit)
    if not stream.eof:
        raise ContentError("the compressed response ends early")
    return data


def _unbrotli(brotli: Any, body: bytes, limit: int) -> bytes:
    stream = brotli.Decompressor()
    data = _bounded(stream.process(body, output_buffer_limit=limit + 1), limit)
    if not stream.is_finished():
        raise ContentError("the compressed response ends early")
    return data


def _unzstd(zstandard: Any, body: bytes, limit: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as stream:
        return _bounded(stream.read(limit + 1), limit)
