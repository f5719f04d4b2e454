"""Bytes in and out, compressed or not, and the text inside."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO, cast

from kaizen_batch.errors import ConfigError
from kaizen_batch.files import faults
from kaizen_batch.files.names import STANDARD, shown

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as the one of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BUFFER = 2**18


class Marks:
    """Undecodable bytes become a mark, so that the row they stand in can be named: decoding runs ahead of the rows.

    `seen` counts them over the process; as long as it is 0, no row needs to be looked at. No codec gives half a
    surrogate pair, so the mark cannot be anything else.
    """

    MARK = "\udc00"
    HANDLER = "kaizen_batch.mark"

    def __init__(self) -> None:
        self.seen: int = 0
        codecs.register_error(self.HANDLER, self._mark)

    def _mark(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        self.seen += 1
        return self.MARK, error.end

    def check(self, text: str, line: int, encoding: str) -> None:
        """Raise BadRow if there is a mark in the text."""
        if self.MARK in text:
            raise faults.BadRow(
                f"it holds bytes that are not {encoding}: pass the file's encoding, such as encoding='cp1252'",
                code="bad_encoding",
                line=line,
            )


marks: Marks = Marks()


@contextmanager
def open_bytes(path: str, compression: str | None = None) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file, or of standard input. Raises: RecordError."""
    if path == STANDARD:
        yield _peekable(sys.stdin.buffer)  # not ours to close
        return
    name = shown(path, reading=True)
    if Path(path).is_dir():
        raise faults.unreadable(name, "it is a folder; name a file")
    try:
        raw = open(path, "rb", buffering=_BUFFER)  # noqa: SIM115, PTH123 - closed below
    except FileNotFoundError:
        raise faults.missing(name) from None
    except (OSError, ValueError) as error:
        raise faults.unreadable(name, getattr(error, "strerror", None) or str(error)) from error
    with raw, _decompressed(raw, compression) as stream:
        yield stream


@contextmanager
def decoded(stream: BinaryIO, encoding: str | None, newline: str) -> Iterator[TextIO]:
    """The text in a stream; a byte-order mark is honoured and taken away, the default is UTF-8.

    Raises: ConfigError for an encoding that Python does not know.
    """
    try:
        name = _encoding(encoding, stream)
        text = io.TextIOWrapper(stream, encoding=name, errors=Marks.HANDLER, newline=newline)
    except LookupError:
        raise ConfigError(f"no encoding {encoding!r}: pass one such as 'utf-8', 'utf-16' or 'cp1252'") from None
    try:
        yield text
    finally:
        text.detach()  # the stream is its owner's to close


def encoded(stream: BinaryIO, compression: str | None) -> IO[bytes]:
    """A stream that compresses into another one; to be closed before that."""
    if compression == "gzip":
        import gzip

        # No name and no time in it: the same rows make the same file.
        return cast(BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6))
    if compression == "bz2":
        import bz2

        return cast(BinaryIO, bz2.BZ2File(stream, "wb"))
    if compression == "xz":
        import lzma

        return cast(BinaryIO, lzma.LZMAFile(stream, "wb"))
    return cast(BinaryIO, _zstd(stream, "wb"))


def text_into(stream: IO[bytes]) -> io.TextIOWrapper:
    """UTF-8 into a stream; half a surrogate pair, as models do send, is written as its escape, which JSON reads."""
    return io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", newline="", write_through=False)


@contextmanager
def _decompressed(raw: BinaryIO, compression: str | None) -> Iterator[BinaryIO]:
    if compression is None:
        yield raw
        return
    with _decompressor(raw, compression) as stream:
        yield _peekable(stream)


def _decompressor(raw: BinaryIO, compression: str) -> Any:
    if compression == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=raw)
    if compression == "bz2":
        import bz2

        return bz2.BZ2File(raw)
    if compression == "xz":
        import lzma

        return lzma.LZMAFile(raw)
    return _zstd(raw, "rb")


def _zstd(stream: Any, mode: str) -> Any:
    """Python 3.14 has it; before that pyarrow has."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdFile

        return ZstdFile(stream, mode)
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise faults.needs("a .zst file", "parquet") from None
    return pa.CompressedInputStream(stream, "zstd") if mode == "rb" else pa.CompressedOutputStream(stream, "zstd")


def _peekable(stream: Any) -> BinaryIO:
    return cast(BinaryIO, stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream, _BUFFER))


def _encoding(given: str | None, stream: BinaryIO) -> str:
    start = cast(io.BufferedReader, stream).peek(4)[:4]
    found = next((name for bom, name in _BOMS if start.startswith(bom)), None)
    if given is None:
        return found or "utf-8"
    if codecs.lookup(given).name == "utf-8":
        return "utf-8-sig"
    return given


def sync(path: Path) -> None:
    """Have a file, or a rename in a folder, on the disk; a system that cannot open folders has that anyway."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
