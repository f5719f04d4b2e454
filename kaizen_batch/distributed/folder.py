"""The run folder: where the shards of a job meet. A local folder, or one on a network drive."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kaizen_batch.errors import ConfigError
from kaizen_batch.files.objects import is_url
from kaizen_batch.files.streams import sync

_NETWORK = ("nfs", "cifs", "smb", "fuse", "lustre", "gpfs", "ceph", "beegfs", "gluster", "9p", "afs", "pvfs", "wekafs")


class Folder(Protocol):
    """Named files that appear whole or not at all.

    `is_remote` says whether a journal must not be written in it: SQLite needs the locks of a local disk.
    """

    name: str
    is_remote: bool

    def create(self, name: str, data: bytes) -> bool:
        """Write a new file; False if it exists already, whoever made it."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Make a file of this name, in place of an older one."""

    def put(self, name: str, source: Path) -> None:
        """Make a file of this name from a local one, in place of an older one."""

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file to a local one; False if there is none."""

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""


class LocalFolder:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).absolute()
        self.name: str = str(path)
        self.is_remote: bool = is_network(self.path)

    def create(self, name: str, data: bytes) -> bool:
        """Write a new file; False if it exists already."""
        with self._new(name) as new:
            new.write_bytes(data)
            sync(new)
            try:
                os.link(new, self.path / name)  # atomic, on NFS too, unlike an exclusive open
            except FileExistsError:
                return False
        return True

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Make a file of this name; it survives the death of a process, and perhaps not that of the machine."""
        with self._new(name) as new:
            new.write_bytes(data)
            new.replace(self.path / name)

    def put(self, name: str, source: Path) -> None:
        """Make a file of this name from another one."""
        with self._new(name) as new:
            shutil.copyfile(source, new)
            sync(new)
            new.replace(self.path / name)
            sync((self.path / name).parent)

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file; False if there is none."""
        try:
            shutil.copyfile(self.path / name, target)
        except FileNotFoundError:
            return False
        return True

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.path / name).is_file()

    @contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        folder = (self.path / name).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, new = tempfile.mkstemp(dir=folder, prefix=f".{Path(name).name}.")
        except OSError as error:
            raise ConfigError(
                f"the run folder {self.name!r} cannot be written to ({error.strerror}): name another with run_folder"
            ) from None
        os.close(handle)
        try:
            yield Path(new)
        finally:
            Path(new).unlink(missing_ok=True)


def open_folder(name: str | os.PathLike[str]) -> Folder:
    """The run folder of this name: a path, or a URL of an object store. Raises: ConfigError."""
    text = os.fspath(name)
    if not is_url(text):
        return LocalFolder(text)
    try:
        from kaizen_batch.distributed.object_folder import ObjectFolder
    except ModuleNotFoundError:
        raise ConfigError("a run folder in an object store needs: pip install 'kaizen-batch[cloud]'") from None
    return ObjectFolder(text)


def is_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether a path is on a network drive, as far as Linux says."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    real = os.path.realpath(path)
    best, kind = "", ""
    for _, point, name, *_ in lines:
        inside = real == point or real.startswith(f"{point.rstrip('/')}/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    return kind.startswith(_NETWORK)
