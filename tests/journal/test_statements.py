"""Statements: one for any number of rows, and no scan of texts where only numbers are asked for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from kaizen_batch.journal import schema, statements


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        for part in schema.CREATE.split(";"):
            opened.execute(part)
        yield opened


@pytest.mark.parametrize("kind", statements.ON_CALLS)
@pytest.mark.parametrize("rows", [1, 3])
def test_one_statement_takes_any_number_of_rows(connection: sqlite3.Connection, kind: int, rows: int) -> None:
    columns = statements.CALL_COLUMNS[kind]
    values = {"state": "failed", "key": b"k"}
    cells = [values.get(name, row if name == "id" else 0) for row in range(1, rows + 1) for name in columns]
    connection.execute(statements.on_calls(kind, rows), cells)
    connection.execute(statements.on_calls(kind, rows), cells)  # on rows that are there
    assert connection.execute("SELECT count(*) FROM calls").fetchone() == (rows,)


def test_a_row_of_another_key_is_left_as_it_is(connection: sqlite3.Connection) -> None:
    for key, cost in ((b"one", 0.5), (b"two", 0.25)):
        cells = (1, key, "done", 1.0, cost, 0, "live")
        connection.execute(statements.on_calls(statements.DONE, 1), cells)
    assert connection.execute("SELECT key, spent_usd FROM calls").fetchall() == [(b"one", 0.5)]


@pytest.mark.parametrize("statement", [statements.COUNT, statements.TOTALS])
def test_sums_read_no_texts(connection: sqlite3.Connection, statement: str) -> None:
    plan = " ".join(str(step[-1]) for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
    assert "calls" in plan and "answers" not in plan and "requests" not in plan
