"""Whether a journal is whole: asked before it is opened for writing, and of each of its rows while it is.

The main file records in `meta` that it is open, and by which file (`open`: a token and the inode); a clean close takes
that back. So it is known which of these it is:

    closed, no -wal         a clean end, or a snapshot: opens anywhere
    open, same inode, -wal  a killed run: SQLite replays the -wal, and what was in flight becomes unknown
    open, no whole -wal     a copy of the .db alone, or a lost or damaged -wal: refused
    open, another inode     a raw copy of an open journal: refused
    closed, a foreign -wal  a .db put back beside a newer -wal: refused
    of format 1, or just created, and a whole -wal: SQLite replays it, as it would have then

"Refused" is what `accept_loss` overrides. Once open, each row is compared with its checksums; a damaged one is marked
as failed, reported, and asked again.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaizen_batch.journal import faults, schema, statements
from kaizen_batch.journal.checksums import Cells, is_intact, is_row_intact
from kaizen_batch.journal.identity import file_id, in_use
from kaizen_batch.journal.records import DAMAGED, STATES, error_column
from kaizen_batch.journal.wal import WalState, has_wal, last_pages, read_wal

_PAGE = 2000
_TEXT, _REASON, _VALUE, _LIMIT = map(schema.ANSWER_COLUMNS.index, ("text", "finish_reason", "value", "max_tokens"))


@dataclass
class Findings:
    """What opening a journal found: its rows, and those of them that may be asked again.

    `damaged` counts rows that differ from their checksums, `empty` answers without any text, `truncated` answers that
    were cut off, by their `max_tokens`.
    """

    rows: int = 0
    damaged: int = 0
    empty: int = 0
    truncated: Counter[int] = field(default_factory=Counter)

    def add(self, answer: Cells) -> None:
        """Count an answer, if it is one that may be asked again."""
        if not answer[_TEXT] and answer[_VALUE] is None:
            self.empty += 1
        elif answer[_REASON] == "length" and (limit := answer[_LIMIT]) is not None:
            self.truncated[limit] += 1

    def truncated_below(self, max_tokens: int) -> int:
        """How many answers were cut off by a lower limit."""
        return sum(number for limit, number in self.truncated.items() if limit < max_tokens)


def check_readable(path: Path) -> None:
    """Raise JournalError (`journal_incomplete`) for a journal that was not closed and has lost its -wal.

    A reader is content with a copy, and with a -wal that a writer is changing at this moment.
    """
    token = token_of(path)
    # Looked at a second time, because a run may just have closed it.
    if token is not None and not has_wal(path) and token_of(path) == token:
        raise faults.incomplete(path, _no_wal(path))


def check_writable(path: Path) -> None:
    """Raise JournalError (`journal_incomplete`) for a part of a journal, or parts of several. The lock is held."""
    mark, used = _open_mark(path), in_use(path)
    state = read_wal(path, with_index=not used)
    if mark is not None:
        _check_open(path, mark, state)
    elif not used and state is not None and state.valid and has_foreign_wal(path):
        raise faults.mixed(path)
    if state is not None and state.is_damaged and (mark is not None or not _can_be_marked(path)):
        raise faults.incomplete(path, f"{path.name + '-wal'!r}, where its last answers are, is damaged or cut short")


def _check_open(path: Path, mark: dict[str, Any], state: WalState | None) -> None:
    if state is None or not state.valid:
        raise faults.incomplete(path, _no_wal(path))
    if mark.get("inode") != file_id(path)[1]:
        fix = "use the file itself, or a copy that Journal(path).snapshot() made"
        raise faults.incomplete(path, "this is a copy of its file", fix)


def has_foreign_wal(path: Path) -> bool:
    """Whether the -wal beside a main file that is not marked as open belongs to another file, or another state of it.

    A file that was just created, and one of format 1, cannot be marked: then the -wal itself must name this file, if it
    ends in this format.
    """
    if _can_be_marked(path):
        return not _is_folded_in(path)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] != schema.FORMAT:
            return False
        mark = _mark_in(connection)
    return mark is None or mark.get("inode") != file_id(path)[1]


def _no_wal(path: Path) -> str:
    return f"{path.name + '-wal'!r}, where its last answers are, is missing or damaged"


def is_closed(path: Path) -> bool:
    """Whether the main file alone says that it was closed."""
    return _open_mark(path) is None


def token_of(path: Path) -> str | None:
    """Which opening the main file alone is marked by; None for a closed one."""
    mark = _open_mark(path)
    return None if mark is None else mark.get("token")


def set_open(connection: sqlite3.Connection, path: Path, token: str) -> None:
    """Record in the main file that it is open."""
    mark = json.dumps({"token": token, "inode": file_id(path)[1], "since": time.time()})  # noqa: TID251 - for people
    connection.execute(statements.SET_META, ("open", mark))


def checkpoint(connection: sqlite3.Connection) -> bool:
    """Fold the -wal into the main file, as far as readers allow; whether that was all of it."""
    busy, frames, folded = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return not busy and frames == folded


def verify(connection: sqlite3.Connection, path: Path, now: float) -> tuple[Findings, list[tuple[bytes, int]]]:
    """Compare every row with its checksums and mark what is damaged; the key and the id of each. Inside a transaction.

    Raises: JournalError (`journal_damaged`) if the structure itself is damaged.
    """
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise faults.damaged(path, str(problem).replace("\n", " "))
    found, keys = Findings(), []
    for row in _rows(connection):
        row_id, key, state = row[:3]
        answer = row[3:-1]
        if _is_good(key, state, answer) and row[-1]:
            if state == "done":
                found.add(answer)
        else:
            found.damaged += 1
            _discard(connection, row_id, now, keep_money=bool(row[-1]))
        if type(key) is bytes:
            keys.append((key, row_id))
        found.rows += 1
    _verify_batches(connection, found, now)
    return found, keys


def _verify_batches(connection: sqlite3.Connection, found: Findings, now: float) -> None:
    for row in connection.execute(statements.CHECKED_BATCHES).fetchall():
        found.rows += 1
        if not is_row_intact(row[:-1], row[-1]):
            found.damaged += 1
            about = {"id": row[0], "error": error_column(DAMAGED), "now": now}
            for statement in statements.DISCARD_BATCH:
                connection.execute(statement, about)


def _is_good(key: object, state: str, answer: Cells) -> bool:
    if state not in STATES or type(key) is not bytes or (state == "done" and answer[-1] is None):
        return False
    return is_intact(key, answer)


def _discard(connection: sqlite3.Connection, row_id: int, now: float, *, keep_money: bool) -> None:
    about = {"id": row_id, "error": error_column(DAMAGED), "now": now, "keep": keep_money}
    connection.execute(statements.DISCARD, about)
    connection.execute(statements.DISCARD_ANSWER, (row_id,))


def _rows(connection: sqlite3.Connection) -> Iterator[Any]:
    last = 0
    while rows := connection.execute(statements.CHECK, (last, _PAGE)).fetchall():
        yield from rows
        last = rows[-1][0]


def _open_mark(path: Path) -> dict[str, Any] | None:
    """What the main file alone says about being open; None for a closed journal, an older format, or no answer."""
    if not _can_be_marked(path):
        return None
    with suppress(sqlite3.Error), closing(_main_file(path)) as connection:
        return _mark_in(connection)
    return None


def _mark_in(connection: sqlite3.Connection) -> dict[str, Any] | None:
    row = connection.execute(statements.GET_META, ("open",)).fetchone()
    with suppress(ValueError, TypeError):
        return None if row is None else dict(json.loads(row[0]))
    return None


def _can_be_marked(path: Path) -> bool:
    """Whether the main file alone is of a format that records whether it is open."""
    with suppress(sqlite3.Error), closing(_main_file(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0]) > 1
    return True


def _main_file(path: Path) -> sqlite3.Connection:
    # Not read through the -wal: SQLite would replay it, and that is what is in question.
    return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)


def _is_folded_in(path: Path) -> bool:
    """Whether the -wal says nothing that the main file does not say: its writer died while it was closing."""
    pages = last_pages(path)
    with path.open("rb") as file:
        for number, content in pages.items():
            file.seek((number - 1) * len(content))
            if file.read(len(content)) != content:
                return False
    return True
