"""The file in one thread's hands: groups of operations, each group one transaction."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults, integrity, schema
from kaizen_batch.journal.files import Opened, abandon, close_writer, open_writer, transaction, write_lock
from kaizen_batch.journal.identity import Watch
from kaizen_batch.journal.integrity import Findings
from kaizen_batch.journal.records import Entry, Totals, as_bytes, entry_of

# Rows of a statement: some sizes, which stay in the connection's cache; what is left of one is filled up with nothing.
_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 256)
_NOTHING = (None,) * len(schema.CALL_CELLS)

# One thing to do to one key: its kind (of `schema`), the key, and its cells: those of `schema.CALL_CELLS`, or of
# `schema.ON_RUN`. A plain tuple, for the loop makes two of them for each item.
Operation: TypeAlias = tuple[int, bytes, tuple[Any, ...]]
_Rounds: TypeAlias = list[tuple[int, list[int]]]


class Store:
    """The open journal, synchronous; one thread uses it.

    >>> store = Store(Path("run.db"))
    >>> store.open(creator="1.0", now=0.0)
    >>> store.apply([(schema.CALL, key, row)], {})
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

    def open(self, *, creator: str, now: float) -> list[bytes]:
        """Take the locks, then create or recover the file; the keys of all rows. Raises: JournalError."""
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
            writes = sum(-(-len(places) // _SIZES[-1]) for number, places in rounds if number % 2)
            writes += sum(kind not in (schema.LOOK_UP, schema.CALL) for kind, _, _ in operations)
            # One statement is a transaction by itself, and three calls fewer.
            with transaction(connection) if writes > 1 else nullcontext():
                self._steps(connection, operations, rounds, found)
            self.commits += writes > 0
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
            return Totals(*self.connection.execute(schema.TOTALS).fetchone())

    def sent_since(self, moment: float) -> list[tuple[float, int]]:
        """When calls were sent after a moment (Unix time), and the tokens that each took."""
        with faults.translated(self.path):
            return sorted(self.connection.execute(schema.SENT_SINCE, (moment,)))

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
            for some in _chunks(places):
                if number % 2:
                    _write(connection, [operations[place] for place in some])
                else:
                    entries = _look_up(connection, {operations[place][1] for place in some})
                    found.update({place: entries[key] for place in some if (key := operations[place][1]) in entries})


def _rounds(operations: Sequence[Operation]) -> _Rounds:
    """Places of operations that can be done together: look-ups in rounds 0, 2, ..., all others in 1, 3, ...

    Operations of different keys commute, so each is in the first round that keeps the order of its own key.
    """
    keys = {key for _, key, _ in operations}
    if len(keys) == len(operations) and all(kind != schema.LOOK_UP for kind, _, _ in operations):
        return [(1, list(range(len(operations))))]  # nearly always
    last: dict[bytes, int] = {}
    rounds: defaultdict[int, list[int]] = defaultdict(list)
    for place, (kind, key, _) in enumerate(operations):
        number = last.get(key, 0)
        number += (kind != schema.LOOK_UP) != number % 2
        last[key] = number
        rounds[number].append(place)
    return sorted(rounds.items())


def _chunks(places: list[int]) -> Iterator[list[int]]:
    size = _SIZES[-1]
    return (places[start : start + size] for start in range(0, len(places), size))


def _size(rows: int) -> int:
    return next(size for size in _SIZES if size >= rows)


def _write(connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
    calls = [row for kind, _, row in operations if kind == schema.CALL]
    if calls:
        size = _size(len(calls))
        _execute(connection, schema.write(size), [*chain.from_iterable(calls), *_NOTHING * (size - len(calls))])
    if rows := [row for kind, _, row in operations if kind == schema.ROW]:
        connection.executemany(schema.SET_ROW, rows)
    for kind, key, row in operations:
        if kind == schema.MEDIA:
            connection.execute(schema.SET_MEDIA, row)
        elif kind == schema.UNSENT:
            for statement in schema.TAKE_BACK:
                connection.execute(statement, (key,))
        elif kind in schema.ON_RUN:
            _execute(connection, schema.ON_RUN[kind], row)


def _execute(connection: sqlite3.Connection, statement: str, cells: Sequence[object]) -> None:
    try:
        connection.execute(statement, cells)
    except UnicodeEncodeError:  # raised while binding, before anything was done
        connection.execute(statement, [as_bytes(cell) for cell in cells])


def _look_up(connection: sqlite3.Connection, keys: set[bytes]) -> dict[bytes, Entry]:
    size = _size(len(keys))
    rows = connection.execute(schema.look_up(size), [*keys, *(None,) * (size - len(keys))])
    return {row[0]: entry_of(row) for row in rows}
