"""Several journals as one: what the shards of a job have asked, answered and paid.

Costs, attempts and doubts of a request that occurs in several journals add up; its answer is that of the first journal
that has one. So sums over the result are the sums over the journals, and replaying it gives equal rows equal answers.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kaizen_batch.journal import faults, schema
from kaizen_batch.journal.files import real_path, replacing, transaction
from kaizen_batch.journal.journal import Journal
from kaizen_batch.journal.opening import create_tables

_COLUMNS = (
    *("key", "state", "attempts", "begun_at", "ended_at", "spent_usd", "unpriced", "unanswered"),
    *("unanswered_usd", "at_risk_usd", "before", "via", "error"),
)
_THEIRS = ", ".join(f"theirs.{name}" for name in _COLUMNS)
_SUMS = ("attempts", "spent_usd", "unpriced", "unanswered", "unanswered_usd", "at_risk_usd")
_ANSWER = ", ".join(schema.ANSWER_COLUMNS)
_IS_BETTER = "(calls.state <> 'done' AND excluded.state = 'done')"
# Rows are numbered in the order of their first calls, in each journal anew: keys say which are the same.
_NUMBERS = "CREATE TEMP TABLE numbers (key BLOB PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID"
_LAST = "SELECT coalesce(max(id), 0) FROM main.calls"
_NUMBER = "INSERT OR IGNORE INTO numbers SELECT key, id + ? FROM shard.calls"
_COMMON = """
SELECT count(*) FROM shard.calls AS theirs JOIN numbers USING (key) JOIN main.calls AS ours ON ours.id = numbers.id
WHERE ours.state = 'done' AND theirs.state = 'done'
"""
_ANSWERS = f"""
INSERT OR REPLACE INTO main.answers (id, {_ANSWER})
SELECT numbers.id, {_ANSWER} FROM shard.answers AS answer JOIN shard.calls AS theirs ON theirs.id = answer.id
JOIN numbers USING (key) LEFT JOIN main.calls AS ours ON ours.id = numbers.id
WHERE ours.id IS NULL OR (ours.state <> 'done' AND theirs.state = 'done')
"""
_REQUESTS = """
INSERT OR IGNORE INTO main.requests SELECT numbers.id, request FROM shard.requests AS asked
JOIN shard.calls AS theirs ON theirs.id = asked.id JOIN numbers USING (key)
"""
_CALLS = f"""
INSERT INTO main.calls (id, item, {", ".join(_COLUMNS)})
SELECT numbers.id, iif(item < 0, item, item + ?), {_THEIRS} FROM shard.calls AS theirs JOIN numbers USING (key)
WHERE true ORDER BY numbers.id
ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = calls.{name} + excluded.{name}" for name in _SUMS)},
    state = iif({_IS_BETTER}, 'done', calls.state), error = iif({_IS_BETTER}, NULL, calls.error)
"""
_FACTS = "INSERT OR REPLACE INTO main.meta SELECT name, value FROM earlier.meta WHERE name LIKE 'file %'"
_REST = (
    "INSERT OR IGNORE INTO main.media SELECT * FROM shard.media",
    "INSERT OR IGNORE INTO main.runs SELECT * FROM shard.runs",
    "INSERT INTO main.samples SELECT * FROM shard.samples",
    "INSERT INTO main.meta SELECT name, value FROM shard.meta WHERE name LIKE 'lost %'"
    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
)


@dataclass(frozen=True, slots=True)
class JournalPart:
    """The journal of one shard; `first_item` is the number of its first item in the whole job, from 0."""

    path: Path
    first_item: int


def merge_journals(
    parts: Iterable[JournalPart], target: Path, *, facts_of: Path | None = None, creator: str = "kaizen-batch"
) -> int:
    """Write a journal that has what these have, and return how many answers were paid in more than one of them.

    `facts_of` is an earlier merge of the same journals: which files it wrote is known to the new one too.
    The journals may be in use. The target appears whole or not at all. Raises: JournalError.
    """
    paid_twice = 0
    with (
        replacing(real_path(target)) as file,
        TemporaryDirectory() as folder,
        closing(sqlite3.connect(file, isolation_level=None)) as connection,
        faults.translated(target),
    ):
        create_tables(connection, creator)
        connection.execute(_NUMBERS)
        for number, part in enumerate(parts):
            copy = Path(folder) / f"{number}.db"
            Journal(part.path).snapshot(copy)
            paid_twice += _add(connection, copy, part.first_item)
            copy.unlink()
        if facts_of is not None and facts_of.is_file():
            Journal(facts_of).snapshot(Path(folder) / "earlier.db")
            _keep_facts(connection, Path(folder) / "earlier.db")
    return paid_twice


def _keep_facts(connection: sqlite3.Connection, copy: Path) -> None:
    connection.execute("ATTACH ? AS earlier", (str(copy),))
    try:
        connection.execute(_FACTS)
    finally:
        connection.execute("DETACH earlier")


def _add(connection: sqlite3.Connection, copy: Path, first_item: int) -> int:
    connection.execute("ATTACH ? AS shard", (str(copy),))
    try:
        with transaction(connection):
            last = connection.execute(_LAST).fetchone()[0]
            connection.execute(_NUMBER, (last,))
            common: int = connection.execute(_COMMON).fetchone()[0]
            for statement in (_ANSWERS, _REQUESTS):
                connection.execute(statement)
            connection.execute(_CALLS, (first_item,))
            for statement in _REST:
                connection.execute(statement)
    finally:
        connection.execute("DETACH shard")
    return common
