"""A run folder in an object store: conditional puts make the plan once, and an object appears whole or not at all."""

from pathlib import Path

import obstore

from kaizen_batch.files.objects import stored


class ObjectFolder:
    """A run folder such as `s3://bucket/labels.run`."""

    is_remote = True

    def __init__(self, url: str) -> None:
        self.name: str = url.rstrip("/")
        self._store, self._prefix = stored(self.name)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}".lstrip("/")

    def create(self, name: str, data: bytes) -> bool:
        """Write a new object; False if it exists already."""
        try:
            obstore.put(self._store, self._key(name), data, mode="create")
        except obstore.exceptions.AlreadyExistsError:
            return False
        return True

    def read(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        try:
            return bytes(obstore.get(self._store, self._key(name)).bytes())
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Make an object of this name."""
        obstore.put(self._store, self._key(name), data)

    def put(self, name: str, source: Path) -> None:
        """Make an object of a file; a large one is sent in parts."""
        obstore.put(self._store, self._key(name), source)

    def fetch(self, name: str, target: Path) -> bool:
        """Copy an object to a file; False if there is none."""
        try:
            found = obstore.get(self._store, self._key(name))
        except FileNotFoundError:
            return False
        with target.open("wb") as file:
            for chunk in found.stream():
                file.write(chunk)
        return True

    def has(self, name: str) -> bool:
        """Whether there is an object of this name."""
        try:
            obstore.head(self._store, self._key(name))
        except FileNotFoundError:
            return False
        return True
