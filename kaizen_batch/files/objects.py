"""Files in an object store, by their URL: `s3://`, `gs://`, `az://`. Read as a stream, written in one piece.

Credentials and the endpoint come from the environment, as the stores' own tools have them (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, ...).
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from kaizen_batch.errors import KaizenBatchError, RecordError
from kaizen_batch.files import faults
from kaizen_batch.files.libraries import library

SCHEMES = ("s3://", "gs://", "az://")
_BUFFER = 2**20
_SHOWN = 300

_Untyped = Any


def is_url(path: str) -> bool:
    """Whether a path is that of an object."""
    return path.startswith(SCHEMES)


def stored(url: str) -> tuple[_Untyped, str]:
    """The store of a URL, and the object's name in it. Raises: RecordError."""
    scheme, _, rest = url.partition("://")
    bucket, _, name = rest.partition("/")
    return _store(f"{scheme}://{bucket}"), name


@lru_cache(maxsize=64)
def _store(url: str) -> _Untyped:
    make = library("obstore.store", "cloud", "an object store").from_url
    with asking(url):
        return make(url)


class _Stream(io.RawIOBase):
    """The bytes of an object, fetched as they are read."""

    def __init__(self, reader: _Untyped, url: str) -> None:
        self._reader = reader
        self._url = url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: _Untyped) -> int:
        with asking(self._url):
            data = bytes(self._reader.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))


def open_object(url: str) -> BinaryIO:
    """The bytes of an object, seekable. Raises: RecordError."""
    store, name = stored(url)
    import obstore

    try:
        with asking(url):
            reader = obstore.open_reader(store, name, buffer_size=_BUFFER)
    except FileNotFoundError:
        raise faults.missing(repr(url)) from None
    return cast(BinaryIO, io.BufferedReader(_Stream(reader, url), _BUFFER))


def size_of(url: str) -> int:
    """The size of an object in bytes. Raises: FileNotFoundError, RecordError."""
    store, name = stored(url)
    import obstore

    with asking(url):
        return int(obstore.head(store, name)["size"])


def upload(source: Path, url: str) -> None:
    """Make an object of a file; a large one is sent in parts, and appears with the last. Raises: RecordError."""
    store, name = stored(url)
    import obstore

    with asking(url, writes=True):
        obstore.put(store, name, source)


@contextmanager
def asking(url: str, *, writes: bool = False) -> Iterator[None]:
    """What a store raises inside of the block becomes a RecordError, except for FileNotFoundError of a reader."""
    try:
        yield
    except KaizenBatchError:
        raise
    except FileNotFoundError:
        if not writes:
            raise
        bucket = "/".join(url.split("/")[:3])
        raise RecordError(f"{url!r} cannot be written: there is no {bucket!r}: create it, or check the name") from None
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RecordError(f"{url!r}: the object store says: {_short(first)}") from error


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
