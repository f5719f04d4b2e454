"""What goes wrong with files of rows, as errors that say where it is and how to fix it."""

import errno
import zlib

from kaizen_batch.errors import RecordError
from kaizen_batch.results.texts.advice import fix_of

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BadRow(Exception):
    """A format's complaint about the row it is at.

    `line` is the line of the text, None if there are no lines. `located` says that the message names the row itself.
    """

    def __init__(self, message: str, *, code: str = "bad_row", line: int | None = None, located: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.line = line
        self.located = located


def while_reading(name: str, row: int, error: Exception) -> RecordError:
    """Whatever went wrong with a row; `row` counts from 1, 0 is what comes before the first, such as a header."""
    if isinstance(error, RecordError):
        return error
    if isinstance(error, BadRow):
        return RecordError(f"{name}, {_place(row, error)}{error.message}", code=error.code)
    if _is_damage(error):
        where = f"at row {row}" if row else "at its beginning"
        why = " ".join(str(error).split()) or type(error).__name__
        return RecordError(f"{name} is damaged {where}, or is not what its name says: {why}", code="file_damaged")
    if isinstance(error, OSError):
        return RecordError(f"{name} cannot be read: {error.strerror or error}", code="file_unreadable")
    return RecordError(f"{name} cannot be read at row {row}: {type(error).__name__}", code="file_unreadable")


def missing(name: str) -> RecordError:
    """There is no such file."""
    return RecordError(f"there is no file {name}: check the path", code="file_missing")


def unreadable(name: str, why: str) -> RecordError:
    """It exists and cannot be read."""
    return RecordError(f"{name} cannot be read: {why}", code="file_unreadable")


def unwritable(name: str, why: str) -> RecordError:
    """It cannot be made or written."""
    message = f"{name} cannot be written: {why}; nothing was changed: {fix_of(why)}"
    return RecordError(message, code="file_unwritable")


def busy(name: str) -> RecordError:
    """Another run writes it."""
    return RecordError(
        f"{name} is being written by another run: wait for it to end, stop it, or name another file", code="file_busy"
    )


def while_writing(name: str, error: OSError) -> RecordError:
    """An error of the operating system."""
    if error.errno in _NO_SPACE:
        message = f"no space is left for {name}; what was there before is unchanged: free some space and run again"
        return RecordError(message, code="disk_full")
    if isinstance(error, BrokenPipeError):
        return RecordError(f"{name} was closed by its reader", code="file_unwritable")
    return unwritable(name, error.strerror or str(error))


def _place(row: int, error: BadRow) -> str:
    if error.located:
        return ""
    line = f"line {error.line}" if error.line else ""
    if not row:
        return f"{line}: " if line else ""
    return f"row {row} ({line}): " if line else f"row {row}: "


def _is_damage(error: Exception) -> bool:
    # gzip raises OSError without a number where the operating system would give one; lzma and pyarrow have classes of
    # their own, which are not imported for the sake of a name.
    if isinstance(error, EOFError | zlib.error) or type(error).__name__ == "LZMAError":
        return True
    return type(error).__module__.startswith("pyarrow") or (isinstance(error, OSError) and error.errno is None)
