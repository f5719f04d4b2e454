"""Opening the file: as a reader, or as the one writer."""

import json
import logging
import os
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults, identity, integrity, schema, statements
from kaizen_batch.journal.format_1 import as_format_2
from kaizen_batch.journal.migration import migrate

_BUSY_S = 30.0  # how long another program may hold SQLite's own lock before we give up
_CACHE_KIB = 64 * 1024  # the index of keys is read at random
_READERS_S = 1.0  # how long readers may hold up the close
_WAL_PAGES = 250  # the -wal is folded in when it has a megabyte

_abandoned: list["Opened"] = []

logger: logging.Logger = logging.getLogger(__name__)


class Connection(sqlite3.Connection):
    """A connection that is counted while it is open, so that nobody closes another descriptor of its file."""

    file: identity.FileId | None = None

    def close(self) -> None:
        """Close it."""
        super().close()
        if self.file is not None:
            identity.disconnected(self.file)
            self.file = None


@dataclass
class Opened:
    """A journal that is open for writing: its connection, its keys, and what was found on the way.

    `token` is what the main file says about being open.
    """

    connection: Connection
    token: str = field(default_factory=lambda: os.urandom(8).hex())
    keys: list[tuple[bytes, int]] = field(default_factory=list)
    findings: integrity.Findings = field(default_factory=integrity.Findings)


def real_path(path: str | os.PathLike[str]) -> Path:
    """One name for one file, so that two names share one lock."""
    return Path(path).expanduser().resolve()


def open_reader(path: Path) -> Connection:
    """A connection that reads, in either format; it may stand beside a writer.

    Raises: JournalError (`journal_missing`, `journal_damaged`, `journal_incomplete`, `not_a_journal`,
    `journal_version`).
    """
    with faults.translated(path):
        if path.is_dir():
            raise faults.unwritable(path, "it is a folder")
        if not path.is_file() or _is_empty(path):
            raise faults.missing(path)
        if identity.in_use(path):
            return _checked_reader(path, "mode=rw")
        _check_size(path)
        integrity.check_readable(path)
        if not integrity.is_closed(path):
            # Read only: the last to close it must not fold in what a killed run left, for the -wal is the proof that
            # nothing is missing.
            return _checked_reader(path, "mode=ro")
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

    Two locks: a file beside the journal, which works everywhere and can be deleted, and one on the journal itself,
    which holds under every name of it.

    Raises: JournalError (`journal_locked`, `journal_unwritable`, `journal_damaged`).
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
        with faults.translated(path):
            if not path.exists() and _has_wal(path):
                raise faults.damaged(path, f"it is not there, but '{path.name}-wal' is")
            with identity.file_lock(path):
                yield
    finally:
        lock.release()


def open_writer(path: Path, *, creator: str, now: float, accept_loss: bool = False) -> Opened:
    """The connection that writes: creates the file, or brings it to this format, verifies and recovers it.

    The caller holds `write_lock`. Raises: JournalError.
    """
    with faults.translated(path):
        if not identity.in_use(path):
            _check_size(path)
        try:
            integrity.check_writable(path)
        except JournalError as error:
            if not accept_loss:
                raise
            _accept(path, error)
        opened = Opened(_connect(str(path)))
        try:
            _set_up(opened, path, creator, now)
        except BaseException:
            close_writer(opened)
            raise
        return opened


def close_writer(opened: Opened) -> None:
    """Fold the -wal in, record that the journal is closed, and close it."""
    if _marked_as_closed(opened.connection):
        opened.connection.close()
    else:
        # Closing would delete the -wal, and with it the proof that nothing is missing.
        abandon(opened)


def abandon(opened: Opened) -> None:
    """Leave a connection open until the process ends, because closing it would delete the -wal by its name."""
    _abandoned.append(opened)


def _marked_as_closed(connection: Connection) -> bool:
    # In two steps, so that the main file says "closed" only when it holds everything.
    give_up = time.monotonic() + _READERS_S
    with suppress(sqlite3.Error):
        while not integrity.checkpoint(connection):
            if time.monotonic() > give_up:
                return False
            time.sleep(0.01)  # noqa: TID251 - a reader is in the middle of a page; this thread is nobody's loop
        if connection.execute(statements.HAS_META).fetchone() is not None:
            connection.execute(statements.DROP_META, ("open",))
        return integrity.checkpoint(connection)
    return False


def _connect(name: str, *, uri: bool = False) -> Connection:
    connection = sqlite3.connect(
        name, uri=uri, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, factory=Connection
    )
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    connection.file = identity.file_id(path)
    identity.connected(connection.file)
    return connection


def _set_up(opened: Opened, path: Path, creator: str, now: float) -> None:
    connection = opened.connection
    version = _version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit outlives a power cut, not only a killed process. Group commit makes it affordable.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    with transaction(connection):
        if version == 0:
            create_tables(connection, creator)
        elif version == 1:
            migrate(connection, path)
        opened.findings, opened.keys = integrity.verify(connection, path, now)
        connection.execute(statements.RECOVER)
        integrity.set_open(connection, path, opened.token)
    integrity.checkpoint(connection)
    # From here on the -wal is never empty, so that an empty one is not what a killed run left.
    owner = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
    connection.execute(statements.SET_META, ("owner", owner))
    _report(path, opened.findings)


def create_tables(connection: sqlite3.Connection, creator: str) -> None:
    """The tables of a new journal."""
    for part in schema.CREATE.split(";"):
        connection.execute(part)
    connection.execute(statements.SET_META, ("creator", creator))


def _report(path: Path, findings: integrity.Findings) -> None:
    if findings.damaged:
        logger.warning(
            "journal %r: %d of %d rows were damaged; their requests are asked again, and may be paid twice",
            str(path),
            findings.damaged,
            findings.rows,
        )


def _accept(path: Path, error: JournalError) -> None:
    """Go on with what is there; a -wal that does not belong to the file is set aside."""
    logger.warning("journal %r: loss accepted: %s", str(path), error.message)
    wal = Path(f"{path}-wal")
    if integrity.is_closed(path) and wal.exists():
        wal.replace(f"{wal}.set-aside")


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
def replacing(target: Path) -> Iterator[Path]:
    """A file that takes the target's place on a clean exit, and is gone after an exception. Raises: JournalError."""
    with faults.translated(target):
        # Mode 0600, as the journal itself: answers are as private as prompts.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        path = Path(name)
        try:
            yield path
            os.fsync(handle)
            path.replace(target)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(handle)


def _check_size(path: Path) -> None:
    """Two losses that SQLite does not see. Raises: JournalError."""
    size, has_wal = path.stat().st_size, _has_wal(path)
    if size == 0 and has_wal:
        # It would take the empty file for a new one, and drop the -wal, which may be all that is left.
        raise faults.damaged(path, f"it is empty, but '{path.name}-wal' is not")
    if size and not has_wal and size % _page_bytes(path):
        # It would fill up the last page with zeros. (With a -wal, a copy of that page may be in there.)
        raise faults.damaged(path, "it ends in the middle of a page")


def _has_wal(path: Path) -> bool:
    wal = Path(f"{path}-wal")
    return wal.is_file() and not _is_empty(wal)


def _page_bytes(path: Path) -> int:
    with path.open("rb") as file:
        number = int.from_bytes(file.read(18)[16:], "big")
    return 65536 if number == 1 else max(512, number)


def _checked_reader(path: Path, options: str) -> Connection:
    connection = _connect(f"{path.as_uri()}?{options}", uri=True)
    try:
        version = _version(connection, path)
        if version == 0:
            raise faults.missing(path)
        if version == 1:
            as_format_2(connection)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The format of the file, 0 for a new one. Raises: JournalError for a file that is no journal we know."""
    application, version, objects = (
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (application, version, objects) == (0, 0, 0):
        return 0
    if application != schema.APPLICATION_ID:
        raise faults.foreign(path)
    if version > schema.FORMAT:
        raise faults.too_new(path, version, schema.FORMAT)
    return int(version)


def _holder(path: Path) -> str:
    try:
        with closing(open_reader(path)) as connection:
            owner: Any = json.loads(connection.execute(statements.GET_META, ("owner",)).fetchone()[0])
        since = _utc(owner["since"])
        return f"process {owner['pid']} on {owner['host']} since {since}"
    except (JournalError, sqlite3.Error, TypeError):
        return "another run"


def _utc(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0
