"""A run folder in an object store: conditional puts make the plan once, and an object appears whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import obstore

from kaizen_batch.files.objects import asking, stored


class ObjectFolder:
    """A run folder such as `s3://bucket/labels.run`. Its methods raise RecordError if the store does not answer."""

    is_remote = True

    def __init__(self, url: str) -> None:
        self.name: str = url.rstrip("/")
        self._store, self._prefix = stored(self.name)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}".lstrip("/")

    @contextmanager
    def _asking(self, name: str, *, writes: bool = False) -> Iterator[str]:
        with asking(f"{self.name}/{name}", writes=writes):
            yield self._key(name)

    def create(self, name: str, data: bytes) -> bool:
        """Write a new object; False if it exists already."""
        with self._asking(name, writes=True) as key:
            try:
                obstore.put(self._store, key, data, mode="create")
            except obstore.exceptions.AlreadyExistsError:
                return False
        return True

    def read(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        with suppress(FileNotFoundError), self._asking(name) as key:
            return bytes(obstore.get(self._store, key).bytes())
        return None

    def write(self, name: str, data: bytes) -> None:
        """Make an object of this name."""
        with self._asking(name, writes=True) as key:
            obstore.put(self._store, key, data)

    def put(self, name: str, source: Path) -> None:
        """Make an object of a file; a large one is sent in parts."""
        with self._asking(name, writes=True) as key:
            obstore.put(self._store, key, source)

    def fetch(self, name: str, target: Path) -> bool:
        """Copy an object to a file; False if there is none."""
        with suppress(FileNotFoundError), self._asking(name) as key:
            found = obstore.get(self._store, key)
            with target.open("wb") as file:
                for chunk in found.stream():
                    file.write(chunk)
            return True
        return False

    def has(self, name: str) -> bool:
        """Whether there is an object of this name."""
        with suppress(FileNotFoundError), self._asking(name) as key:
            obstore.head(self._store, key)
            return True
        return False
