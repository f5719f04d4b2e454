"""Errors of SQLite and of the operating system as JournalErrors: the code for programs, the fix for people."""

import errno
import sqlite3
from pathlib import Path

import pytest

from kaizen_batch import JournalError
from kaizen_batch.journal import faults

PATH = Path("run.db")


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("why")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), "journal_full"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), "journal_damaged"),
        (sqlite_error(sqlite3.SQLITE_NOTADB), "journal_damaged"),
        (sqlite_error(sqlite3.SQLITE_BUSY), "journal_locked"),
        (sqlite_error(sqlite3.SQLITE_READONLY), "journal_unwritable"),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), "journal_unwritable"),
        (OSError(errno.ENOSPC, "no space"), "journal_full"),
        (PermissionError(errno.EACCES, "denied"), "journal_unwritable"),
        (ValueError("odd"), "journal"),
    ],
)
def test_every_error_has_a_code_and_names_the_file(error: Exception, code: str) -> None:
    found = faults.of_any(PATH, error)
    assert found.code == code
    assert "'run.db'" in found.message


def test_a_journal_error_is_passed_on() -> None:
    error = faults.closed(PATH)
    assert faults.of_any(PATH, error) is error


def test_inside_the_block_errors_are_translated_and_others_are_not() -> None:
    with pytest.raises(JournalError, match="no space is left") as caught, faults.translated(PATH):
        raise OSError(errno.ENOSPC, "no space")
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(KeyError), faults.translated(PATH):
        raise KeyError("mine")
