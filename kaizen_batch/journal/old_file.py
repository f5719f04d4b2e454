"""The old file is kept beside a journal while that is migrated: `run.db.format-1` beside `run.db`.

The migration itself is one transaction, so a crash leaves either format whole in the file that has the name, and under
every name of it. The copy is a second, independent line: complete before the first change, and removed only when the
migrated file is on the disk. It is made under another name first, so that it is never half a copy. A row of its `meta`
marks it as ours; a file of this name without that mark is never touched.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from kaizen_batch.journal import faults, statements

_MARK = "kept_by_migration"


@contextmanager
def kept_while_migrating(connection: sqlite3.Connection, path: Path, version: int) -> Iterator[None]:
    """Keep a copy of a journal of format 1 until the block ends; one that a killed migration has left goes then, too.

    Raises: JournalError, before anything is changed.
    """
    kept, part = Path(f"{path}.format-1"), Path(f"{path}.format-1.part")
    try:
        if version == 1:
            _check_free(kept)
            _copy(connection, part)
            part.replace(kept)
            _sync_folder(path.parent)
        yield
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
            if _is_ours(kept):
                kept.unlink()


def _check_free(kept: Path) -> None:
    if kept.exists() and not _is_ours(kept):
        raise faults.unwritable(
            kept, "the migration keeps the old journal under this name, and there is a file: move it"
        )


def _copy(connection: sqlite3.Connection, part: Path) -> None:
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # as private as the journal itself
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute(statements.SET_META, (_MARK, "1"))


def _is_ours(kept: Path) -> bool:
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{kept.as_uri()}?mode=ro&immutable=1", uri=True)) as connection,
    ):
        return connection.execute(statements.GET_META, (_MARK,)).fetchone() is not None
    return False


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
