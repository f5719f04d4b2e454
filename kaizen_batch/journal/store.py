"""The file in one thread's hands: groups of operations, each group one transaction."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults, integrity, statements
from kaizen_batch.journal.checksums import as_bytes
from kaizen_batch.journal.files import transaction
from kaizen_batch.journal.identity import Watch
from kaizen_batch.journal.integrity import Findings
from kaizen_batch.journal.opening import Opened, abandon, close_writer, open_writer, write_lock
from kaizen_batch.journal.records import Entry, Totals, entry_of

# Rows of a statement: multiples of eight and what is left of one, so that statements stay in the connection's cache.
_ROWS = 128
_STEP = 8

# One thing to do to one key: its kind (of `statements`), the key, and the cells of its statement. A plain tuple,
# because the loop makes two of them for each item.
Operation: TypeAlias = tuple[int, bytes, tuple[Any, ...]]
_Rounds: TypeAlias = list[tuple[int, list[int]]]


class Store:
    """The open journal, synchronous; one thread uses it.

    >>> store = Store(Path("run.db"))
    >>> store.open(creator="1.0", now=0.0)
    >>> store.apply([(statements.DONE, key, row)], {})
    >>> store.close()

    `commits` counts the transactions that wrote, `findings` is what opening the file found.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits: int = 0
        self.findings: Findings = Findings()
        self._stack = ExitStack()
        self._opened: Opened | None = None
        self._watch: Watch | None = None

    def open(self, *, creator: str, now: float) -> list[tuple[bytes, int]]:
        """Take the locks, then create or recover the file; the key and the id of each row. Raises: JournalError."""
        with ExitStack() as stack:
            stack.enter_context(write_lock(self.path))
            self._opened = opened = open_writer(self.path, creator=creator, now=now)
            stack.callback(self._close, opened)
            self._watch = Watch(self.path, lambda: integrity.token_of(self.path) == opened.token)
            self._stack = stack.pop_all()
        self.findings = opened.findings
        keys, opened.keys = opened.keys, []
        return keys

    def apply(self, operations: Sequence[Operation], found: dict[int, Entry]) -> None:
        """Do them all or none, those of one key in their order. Raises: JournalError.

        `found` gets what was looked up, by the look-up's place among the operations.
        """
        connection = self.connection
        with faults.translated(self.path):
            self._check()
            rounds = _rounds(operations)
            writes = rounds[-1][0] > 0
            with transaction(connection) if writes else nullcontext():
                self._steps(connection, operations, rounds, found)
            self.commits += writes
            if writes and self._watch is not None:
                self._watch.remember()

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection. Raises: JournalError if there is none."""
        if self._opened is None:
            raise faults.closed(self.path)
        return self._opened.connection

    def totals(self) -> Totals:
        """The sums of the journal as it is now."""
        with faults.translated(self.path):
            return Totals(*self.connection.execute(statements.TOTALS).fetchone())

    def close(self) -> None:
        """Fold the -wal into the file, record that it is closed, and give the locks back. Raises: JournalError."""
        with faults.translated(self.path):
            self._stack.close()

    def _close(self, opened: Opened) -> None:
        watch, self._watch, self._opened = self._watch, None, None
        try:
            if watch is not None:
                watch.check()
        except JournalError:
            # Closing it would delete the -wal by its name, and that is another file's by now.
            abandon(opened)
            raise
        close_writer(opened)

    def _check(self) -> None:
        if self._watch is not None:
            self._watch.check()

    def _steps(
        self, connection: sqlite3.Connection, operations: Sequence[Operation], rounds: _Rounds, found: dict[int, Entry]
    ) -> None:
        for number, places in rounds:
            if number % 2:
                _write(connection, [operations[place] for place in places])
                continue
            entries = _look_up(connection, [operations[place][2][0] for place in places])
            found.update({place: entries[key] for place in places if (key := operations[place][1]) in entries})


def _rounds(operations: Sequence[Operation]) -> _Rounds:
    """Places of operations that can be done together: look-ups in rounds 0, 2, ..., all others in 1, 3, ...

    Operations of different keys commute, so each is in the first round that keeps the order of its own key.
    """
    keys = {key for _, key, _ in operations}
    if len(keys) == len(operations) and all(kind != statements.LOOK_UP for kind, _, _ in operations):
        return [(1, list(range(len(operations))))]  # nearly always
    last: dict[bytes, int] = {}
    rounds: defaultdict[int, list[int]] = defaultdict(list)
    for place, (kind, key, _) in enumerate(operations):
        number = last.get(key, 0)
        if kind == statements.LOOK_UP:
            number += number % 2
        else:
            number += 2 if number % 2 else 1
        last[key] = number
        rounds[number].append(place)
    return sorted(rounds.items())


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    start = 0
    while left := len(rows) - start:
        size = min(_ROWS, left - left % _STEP or left)
        yield rows[start : start + size]
        start += size


def _write(connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
    by_kind: defaultdict[int, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_kind[operation[0]].append(operation)
    for kind in statements.ON_CALLS:
        for some in _chunks(by_kind.pop(kind, ())):
            _write_calls(connection, kind, [row for _, _, row in some])
    for some in _chunks(by_kind.pop(statements.ROW, ())):
        _execute(connection, statements.set_rows(len(some)), [cell for _, _, row in some for cell in row])
    for kind, others in by_kind.items():
        for _, _, row in others:
            _write_one(connection, kind, row)


def _write_calls(connection: sqlite3.Connection, kind: int, rows: Sequence[tuple[Any, ...]]) -> None:
    width = len(statements.CALL_COLUMNS[kind])
    cells = [cell for row in rows for cell in row[:width]]
    _execute(connection, statements.on_calls(kind, len(rows)), cells)
    beside = statements.beside(kind, len(rows))
    if beside is not None:
        _execute(connection, beside, [cell for row in rows for cell in (row[0], *row[width:])])


def _write_one(connection: sqlite3.Connection, kind: int, row: tuple[Any, ...]) -> None:
    if kind == statements.MEDIA:
        connection.execute(statements.SET_MEDIA, row)
    elif kind == statements.UNSENT:
        for statement in statements.TAKE_BACK:
            connection.execute(statement, row)
    elif kind in statements.ON_BATCH:
        for statement in statements.ON_BATCH[kind]:
            connection.execute(statement, row)
    else:
        _execute(connection, statements.ON_RUN[kind], row)


def _execute(connection: sqlite3.Connection, statement: str, cells: Sequence[object]) -> None:
    try:
        connection.execute(statement, cells)
    except UnicodeEncodeError:  # raised while binding, before anything was done
        connection.execute(statement, [as_bytes(cell) for cell in cells])


def _look_up(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[bytes, Entry]:
    found = {}
    for some in _chunks(ids):
        rows = connection.execute(statements.look_up(len(some)), some)
        found.update({row[0]: entry_of(row, verified=True) for row in rows})
    return found
