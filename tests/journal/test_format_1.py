"""What format 1 was: its keys, and how a reader sees its tables."""

import sqlite3
from contextlib import closing
from hashlib import sha256

from kaizen_batch.journal import schema, statements
from kaizen_batch.journal.format_1 import as_format_2, old_key


def test_its_key_hashed_the_endpoint_and_the_bytes_that_were_sent() -> None:
    assert old_key("https://api.openai.com/v1", b"{}").hex()[:8] == "3932868f"
    assert old_key("ab", b"c") == sha256(b"\0\0\0\2abc").digest() != old_key("a", b"bc")


def test_statements_of_this_format_read_its_table() -> None:
    new = ("unpriced", "via", "batch", "reasoning", "reasoning_tokens", "max_tokens", "answer_check")
    old = [name for name in schema.ENTRY_COLUMNS if name not in new]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE calls (id INTEGER PRIMARY KEY, {', '.join(old)})")
        connection.execute("INSERT INTO calls (key, state, attempts, spent_usd) VALUES (x'00', 'done', 2, 0.5)")
        as_format_2(connection)
        assert connection.execute(statements.COUNT).fetchall() == [("done", 1)]
        assert connection.execute(statements.TOTALS).fetchone()[:2] == (2, 0.5)
        [row] = connection.execute(statements.look_up(1), (1,))
        assert dict(zip(schema.ENTRY_COLUMNS, row, strict=True))["via"] == "live"
        assert connection.execute(statements.ROWS, (b"", 0, 9)).fetchall() == []
