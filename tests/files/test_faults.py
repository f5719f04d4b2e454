"""Errors about files say where, and name the fix."""

import errno
import zlib

import pytest

from kaizen_batch import RecordError
from kaizen_batch.files import faults


@pytest.mark.parametrize(
    ("row", "error", "message", "code"),
    [
        (3, faults.BadRow("x"), "'f', row 3: x", "bad_row"),
        (3, faults.BadRow("x", line=7), "'f', row 3 (line 7): x", "bad_row"),
        (0, faults.BadRow("x", line=1, code="bad_columns"), "'f', line 1: x", "bad_columns"),
        (0, faults.BadRow("x"), "'f', x", "bad_row"),
        (9, faults.BadRow("row 2: x", located=True), "'f', row 2: x", "bad_row"),
        (4, zlib.error("bad data"), "'f' is damaged at row 4, or is not what its name says: bad data", "file_damaged"),
        (0, EOFError("end"), "'f' is damaged at its beginning, or is not what its name says: end", "file_damaged"),
        (1, OSError(errno.EIO, "I/O error"), "'f' cannot be read: I/O error", "file_unreadable"),
        (1, KeyError("secret"), "'f' cannot be read at row 1: KeyError", "file_unreadable"),
    ],
)
def test_what_went_wrong_while_reading(row: int, error: Exception, message: str, code: str) -> None:
    found = faults.while_reading("'f'", row, error)
    assert (str(found), found.code) == (message, code)


def test_an_error_that_is_one_already_stays() -> None:
    error = RecordError("x")
    assert faults.while_reading("'f'", 1, error) is error


def test_what_went_wrong_while_writing() -> None:
    assert faults.while_writing("'f'", OSError(errno.ENOSPC, "no space")).code == "disk_full"
    assert "closed by its reader" in str(faults.while_writing("'f'", BrokenPipeError()))
    assert faults.while_writing("'f'", OSError(errno.EACCES, "Permission denied")).code == "file_unwritable"
