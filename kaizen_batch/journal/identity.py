"""Which database files this process has open, the lock on the file itself, and whether a path still names it.

Two facts of POSIX rule this module. Locks that SQLite takes belong to the process, and closing *any* descriptor of the
file drops them all; so while a connection is open, no other descriptor of the file may be closed: it is kept until the
last connection has gone. And names are not files: a hard link, or a file put in another's place, is recognized by its
device and inode alone. The lock is flock's, which belongs to the file under all its names, and does not mix with
SQLite's own.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from kaizen_batch.journal import faults

if sys.platform != "win32":
    import fcntl

FileId = tuple[int, int]
"""Device and inode."""


@dataclass
class _Use:
    connections: int = 0
    descriptors: list[int] = field(default_factory=list)


_uses: dict[FileId, _Use] = {}
_guard = Lock()


def file_id(path: str | os.PathLike[str]) -> FileId:
    """What tells this file from any other."""
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def in_use(path: Path) -> bool:
    """Whether this process has a connection to the file, so that it must not be opened and closed otherwise."""
    with _guard:
        return path.exists() and file_id(path) in _uses


def connected(identity: FileId) -> None:
    """A connection to the file was opened."""
    with _guard:
        _uses.setdefault(identity, _Use()).connections += 1


def disconnected(identity: FileId) -> None:
    """A connection was closed; with the last one go the descriptors that had to wait for it."""
    with _guard:
        use = _uses[identity]
        use.connections -= 1
        if use.connections == 0:
            _close_all(_uses.pop(identity))


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the file itself against other writers, under every name it has; it is created if there is none.

    Raises: JournalError (`journal_locked`).
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # prompts are inside
    try:
        _lock(descriptor, path)
        yield
    finally:
        _unlock(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    if sys.platform == "win32":
        return  # no flock; but there the lock file cannot be deleted while it is held
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise faults.locked(path, "another run, perhaps under another name of the file") from None
    status = os.fstat(descriptor)
    if (status.st_dev, status.st_ino) != file_id(path):
        raise faults.locked(path, "a program that has just replaced it")


def _unlock(descriptor: int) -> None:
    status = os.fstat(descriptor)
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    with _guard:
        use = _uses.get((status.st_dev, status.st_ino))
        if use is not None:
            use.descriptors.append(descriptor)
        else:
            os.close(descriptor)


def _close_all(use: _Use) -> None:
    for descriptor in use.descriptors:
        os.close(descriptor)


class _Seen(NamedTuple):
    """One file as `stat` shows it; nobody but the writer changes it while it is held."""

    device: int
    inode: int
    size: int
    modified_ns: int


class Watch:
    """Whether the files are still the ones that were opened, and as the writer left them.

    >>> watch = Watch(path)
    >>> watch.check()      # before each group
    >>> watch.remember()   # after it
    """

    def __init__(self, path: Path, still_ours: Callable[[], bool] = lambda: False) -> None:
        self._path = path
        self._still_ours = still_ours
        self._wal = f"{path}-wal"
        self.remember()

    def remember(self) -> None:
        """These files are ours, as they are now."""
        self._main_seen, self._wal_seen = _seen(self._path), _seen(self._wal)

    def check(self) -> None:
        """Raise JournalError if someone else deleted, replaced, restored or changed one of the files."""
        main, wal = _seen(self._path), _seen(self._wal)
        if main == self._main_seen and wal == self._wal_seen:
            return
        for path, now, before in ((self._path, main, self._main_seen), (self._wal, wal, self._wal_seen)):
            if now is None or before is None or now[:2] != before[:2]:
                raise faults.replaced(self._path, Path(path).name, _what_happened(before, now))
        # The same files with another content: another program has folded the -wal in, which is harmless, or a copy was
        # written over the file.
        if main != self._main_seen and not self._still_ours():
            raise faults.replaced(self._path, self._path.name, "was overwritten")
        self.remember()


def _seen(path: str | os.PathLike[str]) -> _Seen | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - before each group, and in half the time
    except FileNotFoundError:
        return None
    return _Seen(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _what_happened(before: _Seen | None, now: _Seen | None) -> str:
    if now is None:
        return "was deleted or moved"
    return "was replaced by another file"
