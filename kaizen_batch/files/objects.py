"""Files in an object store, by their URL: `s3://`, `gs://`, `az://`. Read as a stream, written in one piece.

Credentials and the endpoint come from the environment, as the stores' own tools have them (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`, ...).
"""

import io
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from kaizen_batch.errors import RecordError
from kaizen_batch.files import faults

SCHEMES = ("s3://", "gs://", "az://")
_BUFFER = 2**20

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
    try:
        from obstore.store import from_url
    except ModuleNotFoundError:
        raise faults.needs("an object store", "cloud") from None
    return from_url(url)


class _Stream(io.RawIOBase):
    """The bytes of an object, fetched as they are read."""

    def __init__(self, reader: _Untyped) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: _Untyped) -> int:
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
        reader = obstore.open_reader(store, name, buffer_size=_BUFFER)
    except FileNotFoundError:
        raise faults.missing(repr(url)) from None
    except Exception as error:
        raise unreachable(url, error) from error
    return cast(BinaryIO, io.BufferedReader(_Stream(reader), _BUFFER))


def size_of(url: str) -> int:
    """The size of an object in bytes. Raises: OSError, FileNotFoundError among them."""
    store, name = stored(url)
    import obstore

    return int(obstore.head(store, name)["size"])


def upload(source: Path, url: str) -> None:
    """Make an object of a file; a large one is sent in parts, and appears with the last. Raises: RecordError."""
    store, name = stored(url)
    import obstore

    try:
        obstore.put(store, name, source)
    except Exception as error:
        raise unreachable(url, error) from error


def unreachable(url: str, error: Exception) -> RecordError:
    """What is said when a store refuses."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return faults.unreadable(repr(url), f"the object store says: {first[:200]}")
