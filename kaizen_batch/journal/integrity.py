"""Whether a journal is whole: asked before it is opened for writing, and of each of its rows while it is.

The main file records in `meta` that it is open, and by which file (`open`: a token and the inode); a clean close takes
that back. So these can be told apart:

    closed, no -wal         a clean end, or a snapshot: opens anywhere
    open, same inode, -wal  a killed run: SQLite replays the -wal, and what was in flight becomes unknown
    open, no whole -wal     a copy of the .db alone, or a lost or damaged -wal: refused
    open, another inode     a raw copy of an open journal: refused
    closed, a foreign -wal  a .db put back beside a newer -wal: refused

"Refused" is what `accept_loss` overrides. Once open, each row is compared with its checksums; a damaged one is marked
as failed, reported, and asked again.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaizen_batch.journal import faults, schema
from kaizen_batch.journal.identity import file_id, in_use
from kaizen_batch.journal.records import DAMAGED, STATES, error_column, is_intact
from kaizen_batch.journal.wal import last_pages, read_wal

_PAGE = 2000
_JUDGED = [schema.ANSWER_COLUMNS.index(name) for name in ("text", "finish_reason", "value", "max_tokens")]


@dataclass
class Findings:
    """What opening a journal found: its rows, and those of them that may be asked again.

    `damaged` ones were, `empty` are answers without any text, `cut` those cut off by their `max_tokens`, by its value.
    """

    rows: int = 0
    damaged: int = 0
    reindexed: bool = False
    empty: int = 0
    cut: Counter[int] = field(default_factory=Counter)

    def add(self, state: str, answer: Sequence[Any]) -> None:
        """Count an answer, if it is one that may be asked again."""
        if state != "done":
            return
        text, finish_reason, value, max_tokens = (answer[place] for place in _JUDGED)
        if not text and value is None:
            self.empty += 1
        elif finish_reason == "length" and max_tokens is not None:
            self.cut[max_tokens] += 1

    def cut_below(self, max_tokens: int | None) -> int:
        """How many answers were cut off by a lower limit."""
        return sum(number for limit, number in self.cut.items() if max_tokens is None or limit < max_tokens)


def check_whole(path: Path, *, writer: bool) -> None:
    """Raise JournalError (`journal_incomplete`, `journal_damaged`) for a part of a journal, or parts of several.

    A reader is content with a copy that has its -wal.
    """
    mark = _open_mark(path)
    state = None if mark is None and not writer else read_wal(path, with_index=writer and not in_use(path))
    if mark is None:
        if writer and state is not None and state.valid and not in_use(path) and not _is_folded_in(path):
            raise faults.mixed(path)
        return
    if state is None or not state.valid:
        raise faults.incomplete(path, f"{path.name + '-wal'!r}, where its last answers are, is missing or damaged")
    if not writer:
        return
    if mark.get("inode") != file_id(path)[1]:
        fix = "use the file itself, or a copy that Journal(path).snapshot() made"
        raise faults.incomplete(path, "this is a copy of its file", fix)
    if state.is_damaged:
        raise faults.incomplete(path, f"{path.name + '-wal'!r}, where its last answers are, is damaged or cut short")


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
    connection.execute(schema.SET_META, ("open", mark))


def checkpoint(connection: sqlite3.Connection) -> bool:
    """Fold the -wal into the main file, as far as readers allow; whether that was all of it."""
    busy, frames, folded = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return not busy and frames == folded


def verify(connection: sqlite3.Connection, path: Path, now: float) -> tuple[Findings, list[bytes]]:
    """Compare every row with its checksums and mark what is damaged; all keys. Inside a transaction.

    Raises: JournalError (`journal_damaged`) if the structure itself is damaged.
    """
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise faults.damaged(path, str(problem).replace("\n", " "))
    found, keys = Findings(), []
    for row in _rows(connection):
        row_id, key, state, *answer, ledger = row
        found.rows += 1
        good = state in STATES and type(key) is bytes and is_intact(key, answer)
        if state == "done" and answer[-1] is None:
            good = False
        if good and ledger:
            keys.append(key)
            found.add(state, answer)
            continue
        found.damaged += 1
        about = {"id": row_id, "error": error_column(DAMAGED), "now": now, "keep": bool(ledger)}
        connection.execute(schema.DISCARD, about)
        if type(key) is bytes and len(key) == 32:
            keys.append(key)
    found.reindexed = _repair_index(connection, path)
    return found, keys


def _rows(connection: sqlite3.Connection) -> Iterator[Any]:
    last = 0
    while rows := connection.execute(schema.CHECK, (last, _PAGE)).fetchall():
        yield from rows
        last = rows[-1][0]


def _repair_index(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the index of the keys differed from the rows, so that answers would not have been found."""
    table, index = 0, 0
    for (key,) in connection.execute("SELECT key FROM calls NOT INDEXED"):
        table ^= int.from_bytes(key, "big") if type(key) is bytes else 1
    for (key,) in connection.execute(schema.INDEXED_KEYS):
        index ^= int.from_bytes(key, "big") if type(key) is bytes else 1
    if table == index:
        return False
    connection.execute("REINDEX calls")
    return True


def _open_mark(path: Path) -> dict[str, Any] | None:
    """What the main file alone says about being open; None for a closed journal, an older format, or no answer."""
    # Not read through the -wal: SQLite would replay it, and that is what is in question.
    with (
        suppress(sqlite3.Error, ValueError, TypeError),
        closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection,
    ):
        if connection.execute("PRAGMA user_version").fetchone()[0] < 2:
            return None
        row = connection.execute(schema.GET_META, ("open",)).fetchone()
        return None if row is None else dict(json.loads(row[0]))
    return None


def _is_folded_in(path: Path) -> bool:
    """Whether the -wal says nothing that the main file does not say: its writer died while it was closing."""
    pages = last_pages(path)
    with path.open("rb") as file:
        for number, content in pages.items():
            file.seek((number - 1) * len(content))
            if file.read(len(content)) != content:
                return False
    return True
