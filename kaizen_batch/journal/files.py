"""Connections to the file, opening it as a reader, and files that appear whole."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kaizen_batch.journal import faults, identity, integrity, schema
from kaizen_batch.journal.format_1 import as_format_2, with_row_checks
from kaizen_batch.journal.wal import has_wal

_BUSY_S = 30.0  # how long another program may hold SQLite's own lock before we give up
_STATEMENTS = 512  # each kind of operation has one for each size of a group


class Connection(sqlite3.Connection):
    """A connection that is counted while it is open, so that nobody closes another descriptor of its file."""

    file: identity.FileId | None = None

    def close(self) -> None:
        """Close it."""
        super().close()
        if self.file is not None:
            identity.disconnected(self.file)
            self.file = None


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
        if not path.is_file() or path.stat().st_size == 0:
            raise faults.missing(path)
        if identity.in_use(path):
            return _checked_reader(path, "mode=rw")
        check_size(path)
        integrity.check_readable(path)
        if has_wal(path) or not integrity.is_closed(path):
            # Read only: the last to close it must not fold in what a killed run left, for the -wal is the proof that
            # nothing is missing. Unless a run of this process has just begun: then the last to close it must do that.
            return _checked_reader(path, "mode=rw" if identity.in_use(path) else "mode=ro")
        try:
            return _checked_reader(path, "mode=rw")
        except sqlite3.OperationalError:
            # WAL needs a place for its two extra files; where none can be made, nobody can be writing either.
            if os.access(path.parent, os.W_OK):
                raise
            return _checked_reader(path, "immutable=1")


def connect(name: str, *, uri: bool = False) -> Connection:
    """A connection to a file, by its path or its URI; the file is created if there is none."""
    connection = sqlite3.connect(
        name,
        uri=uri,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
        cached_statements=_STATEMENTS,
    )
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    connection.file = identity.file_id(path)
    identity.connected(connection.file)
    return connection


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


def check_size(path: Path) -> None:
    """Two losses that SQLite does not see. Raises: JournalError."""
    size, with_wal = path.stat().st_size, has_wal(path)
    if size == 0 and with_wal:
        # It would take the empty file for a new one, and drop the -wal, which may be all that is left.
        raise faults.damaged(path, f"it is empty, but '{path.name}-wal' is not")
    if size and not with_wal and size % _page_bytes(path):
        # It would fill up the last page with zeros. (With a -wal, a copy of that page may be in there.)
        raise faults.damaged(path, "it ends in the middle of a page")


def _page_bytes(path: Path) -> int:
    with path.open("rb") as file:
        number = int.from_bytes(file.read(18)[16:], "big")
    return 65536 if number == 1 else max(512, number)


def _checked_reader(path: Path, options: str) -> Connection:
    connection = connect(f"{path.as_uri()}?{options}", uri=True)
    try:
        version = format_of(connection, path)
        if version == 0:
            raise faults.missing(path)
        if version == 1:
            as_format_2(connection)
        with_row_checks(connection)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def format_of(connection: sqlite3.Connection, path: Path) -> int:
    """The format of the file, 0 for a new one. Raises: JournalError for a file that is no journal we know."""
    application, version, objects = (
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (application, version, objects) == (0, 0, 0):
        return 0
    if application != schema.APPLICATION_ID:
        raise faults.foreign(path)
    if version == 0:
        raise faults.damaged(path, "its format is not recorded")
    if version > schema.FORMAT:
        raise faults.too_new(path, version, schema.FORMAT)
    return int(version)
