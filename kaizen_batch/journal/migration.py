"""From format 1 to format 2: keys that hash the question take the place of keys that hashed bytes on the wire.

All of it is one transaction under the journal's lock: until it is committed, the file is a complete one of format 1,
and after a crash the next opening begins again. Before the commit its sums are compared with those of the old tables,
and a copy of the old file is kept until it is on the disk (`old_file`).

Each key is recomputed from the body that the row has kept. The endpoint was part of the old key and in no column: of
all endpoints that the runs on this journal have named, it is the one that gives the old key. A row whose endpoint
cannot be found keeps its old key, its money and its answer, but no request will find it.

Two rows of format 1 can ask one question, such as one under two values of `max_tokens`. They become one, with the sums
of their money, and the better answer: one that ended by itself, else the longer limit, else the later one.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

from kaizen_batch.journal import faults, schema, statements
from kaizen_batch.journal.canonical import body_form, key_of
from kaizen_batch.journal.checksums import as_bytes, as_text, checksum, row_checksum
from kaizen_batch.journal.format_1 import old_key

_PAGE = 500
_LIMITS = ("max_tokens", "max_completion_tokens")
_LEDGER = (
    "key",
    "state",
    "item",
    "attempts",
    "begun_at",
    "ended_at",
    "spent_usd",
    "unanswered",
    "unanswered_usd",
    "at_risk_usd",
    "error",
)
_ANSWER = (
    "finish_reason",
    "refusal",
    "model",
    "answered_by",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "latency_s",
    "value",
    "text",
)
_COPIED = (*_LEDGER, *_ANSWER, "request")
_SUMMED = ("attempts", "spent_usd", "unanswered", "unanswered_usd")
_RANK = {"done": 3, "unknown": 2, "failed": 1}

_Cells = dict[str, Any]

logger: logging.Logger = logging.getLogger(__name__)


class _Run(NamedTuple):
    """What a run of format 1 says that its rows do not: where it asked, and at which temperature."""

    begun_at: float
    endpoint: str
    temperature: float | None


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a journal of format 1 to format 2; inside a transaction that the caller commits."""
    runs = _runs(connection)
    connection.execute(statements.RECOVER)
    connection.execute("ALTER TABLE calls RENAME TO calls_1")
    for table in ("meta", "runs", "samples"):
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    for index in ("samples_run", "calls_item", "calls_ledger"):
        connection.execute(f"DROP INDEX IF EXISTS {index}")
    for part in schema.CREATE.split(";"):
        connection.execute(part)
    connection.execute("INSERT INTO meta SELECT * FROM meta_1")
    connection.execute("INSERT INTO samples SELECT * FROM samples_1")
    for run_id, begun_at, ended_at, *texts in connection.execute("SELECT * FROM runs_1").fetchall():
        row = (run_id, begun_at, ended_at, *texts, row_checksum((run_id, *texts)))
        connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", row)
    for table in ("meta", "runs", "samples"):
        connection.execute(f"DROP TABLE {table}_1")
    connection.execute("CREATE UNIQUE INDEX migrating ON calls (key)")
    unknown = sum(_copy(connection, row, runs) for row in _rows(connection))
    connection.execute("DROP INDEX migrating")
    _check_sums(connection, path)
    connection.execute("DROP TABLE calls_1")
    if unknown:
        logger.warning(
            "journal %r: the endpoint of %d requests is not known, so their answers are kept and will not be found",
            str(path),
            unknown,
        )


def _check_sums(connection: sqlite3.Connection, path: Path) -> None:
    """Raise JournalError unless every call and every dollar of the old tables is in the new ones."""
    sums = ", ".join(f"total({name})" for name in _SUMMED)
    old, new = (connection.execute(f"SELECT {sums} FROM {table}").fetchone() for table in ("calls_1", "calls"))
    if not all(isclose(*pair, rel_tol=1e-9, abs_tol=1e-9) for pair in zip(old, new, strict=True)):
        raise faults.damaged(path, f"its sums would change in the new format, from {old} to {new}")


def _runs(connection: sqlite3.Connection) -> list[_Run]:
    found = []
    for begun_at, description in connection.execute("SELECT begun_at, description FROM runs ORDER BY begun_at"):
        about = json.loads(description)
        config = about.get("config") or {}
        temperature = config.get("temperature")
        found.append(_Run(begun_at, str(about.get("endpoint")), temperature))
        if config.get("base_url"):
            found.append(_Run(begun_at, str(config["base_url"]), temperature))
    return found


def _rows(connection: sqlite3.Connection) -> Iterator[dict[str, object]]:
    last, statement = 0, f"SELECT id, {', '.join(_COPIED)} FROM calls_1 WHERE id > ? ORDER BY id LIMIT ?"
    while rows := connection.execute(statement, (last, _PAGE)).fetchall():
        yield from (_named(_COPIED, row[1:]) for row in rows)
        last = rows[-1][0]


def _named(names: Sequence[str], cells: Sequence[object]) -> dict[str, object]:
    key, *others = cells
    return dict(zip(names, (key, *map(as_text, others)), strict=True))


def _copy(connection: sqlite3.Connection, row: _Cells, runs: Sequence[_Run]) -> bool:
    """Whether the row's endpoint is not known."""
    request = row["request"]
    run = _run_of(row["key"], request.encode("utf-8", "surrogatepass"), row["begun_at"], runs)
    if run is not None:
        row["key"] = key_of(body_form(run.endpoint, request, temperature=run.temperature))
    row["max_tokens"] = _limit_of(request)
    names = (*_COPIED, "max_tokens")
    statement = f"SELECT id, {', '.join(names)} FROM entries WHERE key = ?"
    row_id, *present = connection.execute(statement, (row["key"],)).fetchone() or (None,)
    if present:
        row = _merged(_named(names, present), row)
    _insert(connection, row_id, row)
    return run is None


def _run_of(key: bytes, request: bytes, begun_at: float | None, runs: Sequence[_Run]) -> _Run | None:
    """The last run before the row's last call, of those whose endpoint gives its key."""
    fitting = {endpoint for endpoint in {run.endpoint for run in runs} if old_key(endpoint, request) == key}
    mine = [run for run in runs if run.endpoint in fitting]
    before = [run for run in mine if begun_at is None or run.begun_at <= begun_at]
    return before[-1] if before else next(iter(mine), None)


def _limit_of(request: str) -> int | None:
    """The limit on the answer's length that a body of format 1 had."""
    try:
        body = json.loads(request)
    except ValueError:
        return None
    found = None
    if isinstance(body, dict):
        found = next((body[name] for name in _LIMITS if name in body), None)
    elif isinstance(body, list) and len(body) in (4, 6):
        found = body[3]
    return found if isinstance(found, int) else None


def _merged(one: _Cells, two: dict[str, object]) -> dict[str, object]:
    better = max(one, two, key=_worth)
    sums = {name: one[name] + two[name] for name in _SUMMED}
    return {**better, **sums, "item": min(one["item"], two["item"])}


def _worth(row: _Cells) -> tuple[int, bool, int, float]:
    ended = row["finish_reason"] != "length"
    return _RANK.get(row["state"], 0), ended, row["max_tokens"] or 0, row["ended_at"] or 0.0


def _insert(connection: sqlite3.Connection, row_id: int | None, row: _Cells) -> None:
    """Write a row under its id, the next one if it has none."""
    row_id = _replace(connection, "calls", {"id": row_id, **{name: row[name] for name in _LEDGER}})
    _replace(connection, "requests", {"id": row_id, "request": row["request"]})
    if row["latency_s"] is None:
        return
    cells = [row.get(name) for name in schema.ANSWER_COLUMNS[:-1]]
    answer = dict(zip(schema.ANSWER_COLUMNS, (*cells, checksum(row["key"], cells)), strict=True))
    _replace(connection, "answers", {"id": row_id, **answer})


def _replace(connection: sqlite3.Connection, table: str, row: _Cells) -> int | None:
    statement = f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    return connection.execute(statement, [as_bytes(value) for value in row.values()]).lastrowid
