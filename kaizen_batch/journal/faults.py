"""Errors of SQLite and of the operating system, as what they mean for a journal and how to fix them."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaizen_batch.errors import JournalError
from kaizen_batch.results.texts.advice import fix_of

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
        f"{str(path)!r} cannot be written: {why}; {_SAFE}: {fix_of(why)}",
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


def incomplete(path: Path, why: str, fix: str | None = None) -> JournalError:
    """A part of a journal that was not closed, such as a copy of the .db alone."""
    name = path.name
    fix = fix or f"put {name!r}, '{name}-wal' and '{name}-shm' together again, as the run left them"
    return JournalError(
        f"journal {str(path)!r} was not closed by its last run, and {why}: answers may be missing, and would be paid"
        f" again; nothing was changed: {fix}; or, to go on with what is there, pass --accept-loss, or call"
        " Journal(path).accept_loss()",
        code="journal_incomplete",
    )


def mixed(path: Path) -> JournalError:
    """A -wal file beside a database that it does not belong to."""
    return JournalError(
        f"journal {str(path)!r} was closed, and the '{path.name}-wal' beside it holds something else: it belongs to"
        " another state of this file; nothing was changed. Restore both from one copy; or, to go on without it, pass"
        " --accept-loss, or call Journal(path).accept_loss()",
        code="journal_incomplete",
    )


def replaced(path: Path, name: str, what: str) -> JournalError:
    """The path does not name the file that the run holds any more."""
    return JournalError(
        f"{name!r} {what} while the run was using the journal {str(path)!r}; the run stops, because nothing more can be"
        " kept: put the file back, or start again with the one that is there",
        code="journal_replaced",
    )


def at_risk(path: Path) -> JournalError:
    """Deleting what may still be billed."""
    return JournalError(
        f"requests of journal {str(path)!r} that are submitted or in flight cannot be pruned: they may still be billed;"
        " collect or cancel their batches first",
        code="journal_at_risk",
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


def again(fault: JournalError) -> JournalError:
    """The same for another who waits: an exception that is raised twice grows the traceback of both."""
    return JournalError(fault.message, code=fault.code)


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
