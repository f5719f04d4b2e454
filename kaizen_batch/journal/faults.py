"""Errors of SQLite and of the operating system, as what they mean for a journal and what mends them."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaizen_batch.errors import JournalError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAFE = "what was written before is safe"


def full(path: Path) -> JournalError:
    """No space is left."""
    return JournalError(
        f"no space is left for {str(path)!r}; {_SAFE}: free some space and start again on the same journal",
        code="journal_full",
    )


def unwritable(path: Path, why: str) -> JournalError:
    """The file cannot be made or written."""
    return JournalError(
        f"{str(path)!r} cannot be written: {why}; {_SAFE}: name a file in a folder that you may write to",
        code="journal_unwritable",
    )


def damaged(path: Path, why: str) -> JournalError:
    """The file is not what SQLite wrote."""
    return JournalError(
        f"journal {str(path)!r} is damaged, or no journal at all ({why}); nothing was changed: name another file, or"
        " restore it (together with its -wal file) from a copy",
        code="journal_damaged",
    )


def foreign(path: Path) -> JournalError:
    """A SQLite file of someone else's."""
    return JournalError(
        f"{str(path)!r} is a SQLite file, but not a journal of this package; nothing was changed: name another file",
        code="not_a_journal",
    )


def too_new(path: Path, found: int, known: int) -> JournalError:
    """Written by a later version."""
    return JournalError(
        f"journal {str(path)!r} has format {found}, written by a later version of kaizen-batch; this one knows format"
        f" {known}: upgrade kaizen-batch, or name another file",
        code="journal_version",
    )


def missing(path: Path) -> JournalError:
    """Nothing to read."""
    return JournalError(
        f"there is no journal at {str(path)!r}: give the path that a run was given as journal=...",
        code="journal_missing",
    )


def locked(path: Path, holder: str) -> JournalError:
    """Someone else writes."""
    return JournalError(
        f"journal {str(path)!r} is in use by {holder}: wait for it to end, stop it, or name another file",
        code="journal_locked",
    )


def closed(path: Path) -> JournalError:
    """Used outside its `async with`."""
    return JournalError(
        f"journal {str(path)!r} is not open for writing: use it inside `async with journal.writing()`",
        code="journal_closed",
    )


def of_os_error(path: Path, error: OSError) -> JournalError:
    """An error of the operating system."""
    if error.errno in _NO_SPACE:
        return full(path)
    return unwritable(path, error.strerror or str(error))


def of_sqlite(path: Path, error: sqlite3.Error) -> JournalError:
    """An error of SQLite; the last byte of its code names the family."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return full(path)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
        return damaged(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return locked(path, "another program that holds the file's own lock")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return unwritable(path, str(error))
    return JournalError(f"journal {str(path)!r}: {error}; {_SAFE}")


def of_any(path: Path, error: Exception) -> JournalError:
    """Whatever went wrong with the file."""
    if isinstance(error, JournalError):
        return error
    if isinstance(error, sqlite3.Error):
        return of_sqlite(path, error)
    if isinstance(error, OSError):
        return of_os_error(path, error)
    return JournalError(f"journal {str(path)!r}: {type(error).__name__}: {error}; {_SAFE}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Inside it every error of the file is raised as a JournalError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise of_any(path, error) from error
