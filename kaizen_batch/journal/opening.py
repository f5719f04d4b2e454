"""Opening the file as its one writer, and closing it."""

import json
import logging
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults, identity, integrity, schema, statements
from kaizen_batch.journal.files import Connection, check_size, connect, format_of, open_reader, transaction
from kaizen_batch.journal.format_1 import lacking_row_checks
from kaizen_batch.journal.migration import migrate
from kaizen_batch.journal.old_file import kept_while_migrating
from kaizen_batch.journal.wal import has_wal

_CACHE_KIB = 64 * 1024  # the index of keys is read at random
_READERS_S = 1.0  # how long readers may hold up the close
_WAL_PAGES = 250  # the -wal is folded in when it has a megabyte

_abandoned: list["Opened"] = []

logger: logging.Logger = logging.getLogger(__name__)


@dataclass
class Opened:
    """A journal that is open for writing: its connection, its keys, and what was found on the way.

    `token` is what the main file says about being open.
    """

    connection: Connection
    token: str = field(default_factory=lambda: os.urandom(8).hex())
    keys: list[tuple[bytes, int]] = field(default_factory=list)
    findings: integrity.Findings = field(default_factory=integrity.Findings)


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
            if not path.exists() and has_wal(path):
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
            check_size(path)
        try:
            integrity.check_writable(path)
        except JournalError as error:
            if not accept_loss:
                raise
            _accept(path, error)
        opened = Opened(connect(str(path)))
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
        if not _folded_in(connection, give_up):
            return False
        if connection.execute(statements.HAS_META).fetchone() is not None:
            connection.execute(statements.DROP_META, ("open",))
        return _folded_in(connection, give_up)
    return False


def _folded_in(connection: Connection, give_up: float) -> bool:
    while not integrity.checkpoint(connection):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)  # noqa: TID251 - a reader is in the middle of a page; this thread is nobody's loop
    return True


def _set_up(opened: Opened, path: Path, creator: str, now: float) -> None:
    connection = opened.connection
    version = format_of(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit outlives a power cut, not only a killed process. Group commit makes it affordable.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    with kept_while_migrating(connection, path, version):
        with transaction(connection):
            if version == 0:
                create_tables(connection, creator)
            elif version == 1:
                migrate(connection, path)
            for table in lacking_row_checks(connection):
                connection.execute(f"ALTER TABLE {table} ADD COLUMN row_check INTEGER")
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
    if wal.exists() and integrity.is_closed(path) and integrity.has_foreign_wal(path):
        wal.replace(f"{wal}.set-aside")


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
