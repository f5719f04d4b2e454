"""Bytes in and out, compressed or not, and the text inside."""

import codecs
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO, cast

from kaizen_batch.errors import ConfigError
from kaizen_batch.files import faults
from kaizen_batch.files.libraries import library
from kaizen_batch.files.names import STANDARD, is_stream, members_of, shown
from kaizen_batch.files.objects import is_url, open_object
from kaizen_batch.files.stream_reader import StreamInput

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BUFFER = 2**18
LONGEST_LINE = 2**28
"""Characters of a line, at most."""
_PEEK = 1024
_MAGIC = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "name it .zip or .xlsx, or pass input_format='xlsx'"),
    (b"PAR1", "a Parquet file", "name it .parquet, or pass input_format='parquet'"),
    (b"ARROW1", "an Arrow file", "name it .arrow, or pass input_format='arrow'"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "name it .xls, or pass input_format='xls'"),
    (b"\x1f\x8b", "compressed by gzip", "add .gz to its name"),
    (b"BZh", "compressed by bzip2", "add .bz2 to its name"),
    (b"\xfd7zXZ", "compressed by xz", "add .xz to its name"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "add .zst to its name"),
    (b"%PDF-", "a PDF document", "name it .pdf"),
)


class Undecodable:
    """Replaces bytes that cannot be decoded by a marker, so that the row that holds them can be named.

    Decoding runs ahead of the rows, so an exception of the decoder would come too early. `seen` counts the markers of
    the process; while it is 0, no row needs to be looked at. No codec yields half a surrogate pair, so the marker
    cannot be anything else.
    """

    MARKER = "\udc00"
    HANDLER = "kaizen_batch.undecodable"

    def __init__(self) -> None:
        self.seen: int = 0
        codecs.register_error(self.HANDLER, self._replace)

    def _replace(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        self.seen += 1
        return self.MARKER, error.end

    def check(self, text: str, line: int, encoding: str) -> None:
        """Raise BadRow if the text holds a marker."""
        if self.MARKER in text:
            raise faults.BadRow(
                f"it holds bytes that are not {encoding}: pass the file's encoding, such as encoding='cp1252'",
                code="bad_encoding",
                line=line,
            )


undecodable: Undecodable = Undecodable()


@contextmanager
def open_bytes(path: str, compression: str | None = None) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file, or of standard input. Raises: RecordError."""
    if path == STANDARD:
        with _standard_input() as stream:
            yield stream
        return
    name = shown(path, reading=True)
    if is_url(path):
        if compression == "zip":
            raise faults.unreadable(name, "a zip is not read from an object store; unpack it, and name the file")
        with open_object(path) as raw, _decompressed(raw, compression) as stream:
            yield stream
        return
    if Path(path).is_dir():
        raise faults.unreadable(name, "it is a folder; name a file")
    if compression == "zip":
        with _unzipped(path, name) as stream:
            yield stream
        return
    try:
        raw = _opened(path)
    except FileNotFoundError:
        raise faults.missing(name) from None
    except (OSError, ValueError) as error:
        raise faults.unreadable(name, getattr(error, "strerror", None) or str(error)) from error
    with raw, _decompressed(raw, compression) as stream:
        yield stream


@contextmanager
def _standard_input() -> Iterator[BinaryIO]:
    try:
        descriptor = os.dup(sys.stdin.fileno())
    except (OSError, ValueError):  # not a file of the system
        yield _peekable(sys.stdin.buffer)  # the process closes it
        return
    with io.BufferedReader(StreamInput(descriptor), _BUFFER) as stream:
        yield cast(BinaryIO, stream)


def _opened(path: str) -> BinaryIO:
    """An open file; a pipe is open at once, and its reader can be ended while it waits for the writer."""
    if not is_stream(path) or not hasattr(os, "O_NONBLOCK"):
        return open(path, "rb", buffering=_BUFFER)  # noqa: PTH123 - closed by the caller
    return cast(BinaryIO, io.BufferedReader(StreamInput(os.open(path, os.O_RDONLY | os.O_NONBLOCK)), _BUFFER))


@contextmanager
def _unzipped(path: str, name: str) -> Iterator[BinaryIO]:
    try:
        archive = zipfile.ZipFile(path)  # closed below
    except FileNotFoundError:
        raise faults.missing(name) from None
    except OSError as error:
        raise faults.unreadable(name, error.strerror or str(error)) from error
    with archive:
        members = members_of(archive)
        if len(members) != 1:
            held = ", ".join(members[:5]) or "no file"
            raise faults.unreadable(name, f"a zip must hold one file, and it holds {held}; unpack it, and name a file")
        with archive.open(members[0]) as stream:
            yield _peekable(stream)


def check_is_text(stream: BinaryIO, format: str, encoding: str | None) -> None:
    """Raise BadRow for what is not the text of a file of rows: another format, another compression, UTF-16."""
    start = cast(io.BufferedReader, stream).peek(_PEEK)[:_PEEK]
    for magic, found, fix in _MAGIC:
        if start.startswith(magic):
            raise faults.BadRow(f"it is {found}, not {format}: {fix}", code="wrong_format")
    if encoding is None and not start.startswith(tuple(bom for bom, _ in _BOMS)):
        _check_is_not_utf_16(start)


def _check_is_not_utf_16(start: bytes) -> None:
    """Raise BadRow if nearly every second byte is NUL."""
    even, odd = (start[offset::2].count(0) for offset in (0, 1))
    if max(even, odd) * 4 > len(start) and not min(even, odd):
        name = "utf-16-be" if even else "utf-16-le"
        raise faults.BadRow(f"every second byte is NUL: pass encoding='{name}'", code="bad_encoding")


@contextmanager
def decoded(stream: BinaryIO, encoding: str | None, newline: str) -> Iterator[TextIO]:
    """The text of a stream; a byte-order mark is honored and removed, the default is UTF-8.

    Raises: ConfigError for an encoding that Python does not know.
    """
    try:
        name = _encoding(encoding, stream)
        text = io.TextIOWrapper(stream, encoding=name, errors=Undecodable.HANDLER, newline=newline)
    except LookupError:
        raise ConfigError(f"no encoding {encoding!r}: pass one such as 'utf-8', 'utf-16' or 'cp1252'") from None
    try:
        yield text
    finally:
        text.detach()  # its owner closes the stream


def lines_of(text: TextIO) -> Iterator[str]:
    """The lines of a text. Raises: BadRow for one that is too long to be a row, instead of taking all memory."""
    return map(_checked, iter(partial(text.readline, LONGEST_LINE), ""))


def _checked(line: str) -> str:
    if len(line) >= LONGEST_LINE and not line.endswith(("\n", "\r")):
        raise faults.BadRow(
            f"a line is longer than {LONGEST_LINE:,} characters; is it a file of rows?", code="too_long"
        )
    return line


def encoded(stream: BinaryIO, compression: str | None) -> IO[bytes]:
    """A stream that compresses into another one; close it before that one."""
    if compression == "gzip":
        import gzip

        # Neither name nor time: the same rows make the same file.
        return cast(BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6))
    if compression == "bz2":
        import bz2

        return cast(BinaryIO, bz2.BZ2File(stream, "wb"))
    if compression == "xz":
        import lzma

        return cast(BinaryIO, lzma.LZMAFile(stream, "wb"))
    return cast(BinaryIO, _zstd(stream, "wb"))


def text_into(stream: IO[bytes]) -> io.TextIOWrapper:
    """UTF-8 into a stream; half a surrogate pair, which models do send, is written as its escape, which JSON reads."""
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


def _zstd(stream: object, mode: str) -> object:
    """Python has zstd from 3.14 on; before that, pyarrow does it."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdFile

        return ZstdFile(stream, mode)
    pa = library("pyarrow", "parquet", "a .zst file")
    return pa.CompressedInputStream(stream, "zstd") if mode == "rb" else pa.CompressedOutputStream(stream, "zstd")


def _peekable(stream: object) -> BinaryIO:
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
    """Flush a file, or a rename in a folder, to the disk; systems that cannot open folders need no such call."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
