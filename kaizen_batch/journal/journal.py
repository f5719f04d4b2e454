"""Journal: what users and commands do with the file besides writing a run: count, read, export, prune."""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from kaizen_batch.errors import ConfigError, did_you_mean
from kaizen_batch.journal import faults, schema, statements
from kaizen_batch.journal.batches import Batch, batch_of
from kaizen_batch.journal.files import open_reader, real_path, replacing, transaction
from kaizen_batch.journal.opening import Opened, close_writer, open_writer, write_lock
from kaizen_batch.journal.records import (
    STATES,
    Entry,
    InputRow,
    Outline,
    Run,
    State,
    Totals,
    entry_of,
    input_row_of,
    outline_of,
    run_of,
)
from kaizen_batch.journal.writer import JournalWriter

_PAGE = 500  # entries read at a time, so that a slow reader does not keep the writer from folding its -wal in
_OUTLINES = 5000

logger: logging.Logger = logging.getLogger(__name__)


class Journal:
    """What was asked, answered and paid, in one SQLite file; it can be read while a run writes.

    >>> with Journal("run.db") as journal:
    ...     journal.count()
    {'in_flight': 0, 'submitted': 0, 'done': 1998, 'failed': 2, 'unknown': 0}

    Every method also works outside of `with`, at the price of opening the file each time. Reading changes no entry;
    `prune` and `writing()` need the file for themselves. `creator` is kept in a file that this makes.
    Raises: JournalError, whose `code` says what is wrong with the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        creator: str = "kaizen-batch",
        clock: Callable[[], float] = time.time,  # noqa: TID251 - Unix times, compared over runs and machines
    ) -> None:
        self.path: Path = real_path(path)
        self._creator = creator
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    def __enter__(self) -> Self:
        self._connection = open_reader(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def writing(self) -> JournalWriter:
        """A run's hold on the file, for `async with`: it makes or recovers the file, and keeps other processes out."""
        return JournalWriter(self.path, creator=self._creator, clock=self._clock)

    def count(self) -> dict[State, int]:
        """The number of requests in each state."""
        with self._reading() as connection:
            found = dict(connection.execute(statements.COUNT).fetchall())
        return {state: found.get(state, 0) for state in STATES}

    def totals(self) -> Totals:
        """The sums of calls and dollars, and what may have been paid twice."""
        with self._reading() as connection:
            return Totals(*connection.execute(statements.TOTALS).fetchone())

    def __len__(self) -> int:
        return sum(self.count().values())

    def __bool__(self) -> bool:
        return True  # an empty journal is a journal

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    def entries(self, states: Sequence[State] = STATES) -> Iterator[Entry]:
        """The entries in order of item, read as they are asked for."""
        _check_states(states)
        with self._reading() as connection:
            place = (-2, 0)
            while rows := connection.execute(statements.page(len(states)), (*place, *states, _PAGE)).fetchall():
                yield from (entry_of(row[1:]) for row in rows)
                place = (rows[-1][schema.ENTRY_COLUMNS.index("item") + 1], rows[-1][0])

    def outlines(self) -> Iterator[Outline]:
        """The entries without prompts and answers, in the order of their first calls: a quick look over millions."""
        with self._reading() as connection:
            last = 0
            while rows := connection.execute(statements.OUTLINES, (last, _OUTLINES)).fetchall():
                yield from map(outline_of, rows)
                last = rows[-1][0]

    def find(self, keys: Sequence[bytes]) -> list[Entry]:
        """The entries of some keys, in the order of the keys; without those that are not there."""
        with self._reading() as connection:
            rows = connection.execute(statements.find(len(keys)), tuple(keys)).fetchall()
        entries = {row[0]: entry_of(row) for row in rows}
        return [entries[key] for key in keys if key in entries]

    def runs(self) -> list[Run]:
        """The runs on this journal, in the order of their beginnings."""
        with self._reading() as connection:
            runs = [run_of(row) for row in connection.execute(statements.RUNS)]
        if damaged := sum(not run.description for run in runs):
            logger.warning("journal %r: the records of %d runs are damaged", str(self.path), damaged)
        return runs

    def batches(self) -> list[Batch]:
        """The batches of providers, in the order of their beginnings; a journal of the first format has none."""
        with self._reading() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] < 2:
                return []
            return [batch_of(row) for row in connection.execute(statements.BATCHES)]

    def left_in(self, batch: Batch) -> tuple[int, float]:
        """How many rows of a batch have no outcome yet, and what they can cost at most, in USD."""
        with self._reading() as connection:
            rows, at_risk_usd = connection.execute(statements.LEFT_IN_BATCH, (batch.id,)).fetchone()
        return rows, at_risk_usd

    def mean_latency_s(self) -> float | None:
        """Seconds that an answered live call took on average; None if there is none."""
        with self._reading() as connection:
            mean: float | None = connection.execute(statements.MEAN_LATENCY).fetchone()[0]
        return mean

    def samples(self, run: Run) -> list[dict[str, object]]:
        """How a run went on: what BatchProgress says, with its `moment` (Unix time), each half second or less often."""
        with self._reading() as connection:
            rows = connection.execute(statements.SAMPLES, (run.id,)).fetchall()
        return [{"moment": moment, **figures} for moment, text in rows if (figures := _figures(text))]

    def rows(self, run: Run) -> Iterator[InputRow]:
        """The outcome of each row of a job's input, in order; rows that share a request, failed or were never attempted
        are listed too."""
        with self._reading() as connection:
            last = -1
            while rows := connection.execute(statements.ROWS, (run.id, last, _OUTLINES)).fetchall():
                yield from map(input_row_of, rows)
                last = rows[-1][1]

    def kept(self, name: str) -> object:
        """The fact that was last kept under a name, None if there is none."""
        with self._reading() as connection:
            if connection.execute(statements.HAS_META).fetchone() is None:
                return None
            row = connection.execute(statements.GET_META, (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def sent_since(self, moment: float, now: float) -> list[tuple[float, int]]:
        """By when each call after a moment (Unix time) was counted by the endpoint, in order, and the tokens it took.

        A call whose answer nobody saw may have taken as many tokens as any other, or as it allowed if there is none.
        """
        with self._reading() as connection:
            rows = connection.execute(statements.SENT_SINCE, {"moment": moment, "now": now}).fetchall()
            in_doubt = any(unanswered for _, _, unanswered in rows)
            largest = connection.execute(statements.LARGEST).fetchone()[0] if in_doubt else 0
        return [(at, largest if unanswered else tokens or 0) for at, tokens, unanswered in rows]

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Write a copy that is complete, closed, and opens anywhere; also while a run writes. Raises: JournalError."""
        target = real_path(path)
        if target == self.path:
            raise ConfigError(f"a snapshot of {str(self.path)!r} needs a path of its own")
        with (
            replacing(target) as file,
            self._reading() as connection,
            closing(sqlite3.connect(file, isolation_level=None)) as copy,
        ):
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            if copy.execute("PRAGMA user_version").fetchone()[0] > 1:
                copy.execute(statements.DROP_META, ("open",))

    def release_doubts(self) -> float:
        """Count calls without an answer as not billed, after you have checked with the provider; USD that this frees.

        Submitted requests are not touched: their batches are still to be collected.
        """
        if not self.path.exists():
            raise faults.missing(self.path)
        with write_lock(self.path), faults.translated(self.path):
            opened = self._open_writer()
            try:
                with transaction(opened.connection):
                    freed = opened.connection.execute(statements.DOUBTS).fetchone()[0]
                    for statement in statements.RELEASE_DOUBTS:
                        opened.connection.execute(statement)
            finally:
                close_writer(opened)
        return float(freed)

    def accept_loss(self) -> None:
        """Go on with a journal that was refused as incomplete: what is not in it is asked, and perhaps paid, again."""
        if not self.path.exists():
            raise faults.missing(self.path)
        with write_lock(self.path), faults.translated(self.path):
            close_writer(self._open_writer(accept_loss=True))

    def export(self, path: str | os.PathLike[str], *, states: Sequence[State] = STATES) -> int:
        """Write the entries as JSON Lines; returns their number. The file appears whole or not at all."""
        _check_states(states)
        target = real_path(path)
        written = 0
        with replacing(target) as new, new.open("wb") as file:
            for line in self.lines(states=states):
                file.write(line)
                written += 1
        return written

    def lines(self, *, states: Sequence[State] = STATES) -> Iterator[bytes]:
        """The entries as JSON, each a line of its own, read as they are asked for."""
        return map(_line, self.entries(states))

    def prune(self, *, states: Sequence[State] = ("failed",), older_than_s: float | None = None) -> int:
        """Delete entries and give their space back; returns their number. A later run asks these requests again.

        `older_than_s` spares those whose last call ended in the last so many seconds. What is in flight or submitted is
        not deleted, for it may still be billed.
        """
        _check_states(states)
        if not self.path.exists():
            raise faults.missing(self.path)
        if not {"in_flight", "submitted"}.isdisjoint(states):
            raise faults.at_risk(self.path)
        before = self._clock() - (older_than_s or 0.0)
        with write_lock(self.path), faults.translated(self.path):
            opened = self._open_writer()
            try:
                with transaction(opened.connection):
                    deleted = opened.connection.execute(statements.prune(len(states)), (*states, before)).rowcount
                    for statement in statements.ORPHANS:
                        opened.connection.execute(statement)
                opened.connection.execute("VACUUM")
            finally:
                close_writer(opened)
        return deleted

    def _open_writer(self, *, accept_loss: bool = False) -> Opened:
        return open_writer(self.path, creator=self._creator, now=self._clock(), accept_loss=accept_loss)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with faults.translated(self.path):
            if self._connection is not None:
                yield self._connection
                return
            with closing(open_reader(self.path)) as connection:
                yield connection


def _figures(text: str) -> dict[str, object]:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError):  # damaged: one point less in a plot
        return {}


def _check_states(states: Sequence[State]) -> None:
    if isinstance(states, str):
        raise ConfigError(f"states={states!r} is one text: give a tuple, states=({states!r},)")
    for state in states:
        if state not in STATES:
            raise ConfigError(f"no state {state!r}: {did_you_mean(str(state), STATES)}known are {', '.join(STATES)}")


def _line(entry: Entry) -> bytes:
    record = entry.to_dict()
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair: only its escape can be written
        return json.dumps(record).encode() + b"\n"
