"""The private folder beside an output in which it is written, on the same file system.

Others may be able to write into the folder of the output (/tmp). So the name of ours cannot be guessed, nobody else
can enter it, and every file in it is made anew. What a killed run leaves behind is known by its name, owner, mode and
lock, which ends with its process; of it, only the files that are ours are removed.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from filelock import FileLock, Timeout

_LOCK, _PROBE = "lock", "mode"
_OURS = re.compile(rf"\d+|{_LOCK}|{_PROBE}")
_SUFFIX = ".part"


class Staging:
    """The folder of one output, from `begin` to `end`.

    Raises: OSError; BlockingIOError while another run writes the same output.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._folder: Path | None = None
        self._lock: FileLock | None = None

    def begin(self) -> None:
        """Make the folder, and remove those of killed runs."""
        self._folder = Path(mkdtemp(_SUFFIX, f".{self._target.name}.", self._target.parent))
        self._lock = _locked(self._folder)
        for other in self._others():
            lock = _locked(other)
            if lock is None:
                self.end()
                raise BlockingIOError(f"{other} is in use")
            lock.release()
            _remove(other)

    def path(self, number: int) -> Path:
        """Where a part is."""
        assert self._folder is not None, "it has begun"
        return self._folder / f"{number}"

    def create(self, path: Path, mode: int = 0o600) -> int:
        """The descriptor of a new file, which is no link and was not there before."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)

    def give_mode(self, path: Path) -> None:
        """Give a part the mode of the file that it replaces, or the one that a new file has for this user."""
        if self._target.exists():
            like = self._target
        else:
            assert self._folder is not None
            like = self._folder / _PROBE
            os.close(self.create(like, 0o666))  # the system applies the umask; to ask for it is to change it
        path.chmod(stat.S_IMODE(like.stat().st_mode))

    def end(self) -> None:
        """Remove the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._folder is not None:
            _remove(self._folder)
            self._folder = None

    def _others(self) -> Iterator[Path]:
        """The folders of other runs with this output."""
        name = re.compile(rf"\.{re.escape(self._target.name)}\.[a-z0-9_]{{8}}{re.escape(_SUFFIX)}")
        for path in self._target.parent.iterdir():
            if name.fullmatch(path.name) and path != self._folder and _is_ours(path):
                yield path


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
        has_lock = stat.S_ISREG((folder / _LOCK).lstat().st_mode)
    except OSError:
        return False
    is_private = stat.S_ISDIR(found.st_mode) and (os.name != "posix" or stat.S_IMODE(found.st_mode) == 0o700)
    return has_lock and is_private and (not hasattr(os, "geteuid") or found.st_uid == os.geteuid())


def _locked(folder: Path) -> FileLock | None:
    """The lock of a folder, or None while another holds it."""
    lock = FileLock(folder / _LOCK, blocking=False)
    try:
        lock.acquire()
    except (Timeout, RuntimeError):  # RuntimeError: another lock object of this very thread holds it
        return None
    return lock


def _remove(folder: Path) -> None:
    """Remove a folder with what is ours in it; with anything else in it, it stays."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if _OURS.fullmatch(path.name) and not path.is_dir():
                path.unlink()
        folder.rmdir()
