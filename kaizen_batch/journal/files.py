"""Opening the file: as a reader, or as the one writer."""

import json
import os
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults, schema

_BUSY_S = 30.0  # how long another program may hold SQLite's own lock before we give up
_CACHE_KIB = 64 * 1024  # the index of keys is read at random


def real_path(path: str | os.PathLike[str]) -> Path:
    """One name for one file, so that two names share one lock."""
    return Path(path).expanduser().resolve()


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that reads; it may stand beside a writer.

    Raises: JournalError (`journal_missing`, `journal_damaged`, `not_a_journal`, `journal_version`).
    """
    with faults.translated(path):
        if path.is_dir():
            raise faults.unwritable(path, "it is a folder")
        if not path.is_file() or _is_empty(path):
            raise faults.missing(path)
        _check_size(path)
        try:
            return _checked_reader(path, "mode=rw")
        except sqlite3.OperationalError:
            # WAL needs a place for its two extra files; where none can be made, nobody can be writing either.
            if os.access(path.parent, os.W_OK):
                raise
            return _checked_reader(path, "immutable=1")


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """The right to write, for one process at a time; the kernel gives it back when the process dies.

    Raises: JournalError (`journal_locked`, `journal_unwritable`).
    """
    if path.is_dir():
        raise faults.unwritable(path, "it is a folder")
    if not path.parent.is_dir():
        raise faults.unwritable(path, f"the folder {str(path.parent)!r} does not exist")
    from filelock import FileLock, Timeout  # only a run with a journal needs it

    lock = FileLock(f"{path}.lock", blocking=False, mode=0o600)
    try:
        lock.acquire()
    except (Timeout, RuntimeError):  # RuntimeError: another lock object of this very thread holds it
        raise faults.locked(path, _holder(path)) from None
    except OSError as error:
        raise faults.of_os_error(path, error) from error
    try:
        yield
    finally:
        lock.release()


def open_writer(path: Path, *, creator: str, now: float) -> sqlite3.Connection:
    """The connection that writes: creates the file (mode 0600, for prompts are inside) or recovers it.

    The caller holds `write_lock`. Raises: JournalError.
    """
    with faults.translated(path):
        _create_file(path)
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _set_up(connection, path, creator, now)
        except BaseException:
            connection.close()
            raise
    return connection


def _set_up(connection: sqlite3.Connection, path: Path, creator: str, now: float) -> None:
    new = _is_new(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit outlives a power cut, not only a killed process. Group commit makes it affordable.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
    with transaction(connection):
        if new:
            for part in schema.CREATE.split(";"):
                connection.execute(part)
            connection.execute(schema.SET_META, ("creator", creator))
        connection.execute(schema.RECOVER)
        connection.execute(schema.SET_META, ("owner", owner))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has rolled back by itself after some errors
            connection.execute("ROLLBACK")
        raise


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole on a clean exit, not at all on an exception. Raises: JournalError."""
    with faults.translated(target):
        # Mode 0600, as the journal itself: answers are as private as prompts.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise


def _create_file(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    _check_size(path)


def _check_size(path: Path) -> None:
    """Two losses that SQLite does not see. Raises: JournalError."""
    wal = Path(f"{path}-wal")
    size, has_wal = path.stat().st_size, wal.is_file() and not _is_empty(wal)
    if size == 0 and has_wal:
        # It would take the empty file for a new one, and drop the -wal, which may be all that is left.
        raise faults.damaged(path, f"it is empty, but {wal.name!r} is not")
    if size and not has_wal and size % _page_bytes(path):
        # It would fill up the last page with zeros. (With a -wal, a copy of that page may be in there.)
        raise faults.damaged(path, "it ends in the middle of a page")


def _page_bytes(path: Path) -> int:
    with path.open("rb") as file:
        number = int.from_bytes(file.read(18)[16:], "big")
    return 65536 if number == 1 else max(512, number)


def _checked_reader(path: Path, options: str) -> sqlite3.Connection:
    # Not mode=ro: such a reader cannot read what a killed run left in the -wal, and leaves files behind.
    uri = f"{path.as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        if _is_new(connection, path):
            raise faults.missing(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    application, version, objects = (
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (application, version, objects) == (0, 0, 0):
        return True
    if application != schema.APPLICATION_ID:
        raise faults.foreign(path)
    if version > schema.FORMAT:
        raise faults.too_new(path, version, schema.FORMAT)
    return False


def _holder(path: Path) -> str:
    try:
        with closing(open_reader(path)) as connection:
            owner = json.loads(connection.execute(schema.GET_META, ("owner",)).fetchone()[0])
        since = _utc(owner["since"])
        return f"process {owner['pid']} on {owner['host']} since {since}"
    except (JournalError, sqlite3.Error, TypeError):
        return "another run"


def _utc(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0
