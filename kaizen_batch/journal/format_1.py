"""Format 1 of the journal: how readers see it, and what its keys were made from."""

import sqlite3
from hashlib import sha256

from kaizen_batch.journal import schema

# Columns that format 1 did not have, and what they say there.
_NEW = {
    "unpriced": "0",
    "via": "'live'",
    "batch": "NULL",
    "reasoning": "NULL",
    "reasoning_tokens": "NULL",
    "max_tokens": "NULL",
    "answer_check": "NULL",
}

LEDGER_COLUMNS = tuple(name for name in schema.ENTRY_COLUMNS if name not in ("request", *schema.ANSWER_COLUMNS))


def old_key(endpoint: str, request: bytes) -> bytes:
    """What named a request in format 1: the SHA-256 of its endpoint and of the bytes that went over the wire."""
    where = endpoint.encode()
    return sha256(len(where).to_bytes(4, "big") + where + request).digest()


def as_format_2(connection: sqlite3.Connection) -> None:
    """Let a reader's statements for this format read a journal of format 1."""
    has = {row[1] for row in connection.execute("PRAGMA main.table_info(calls)")}
    views = {
        "calls": LEDGER_COLUMNS,
        "requests": ("request",),
        "answers": schema.ANSWER_COLUMNS,
        "entries": schema.ENTRY_COLUMNS,
    }
    for name, columns in views.items():
        cells = ", ".join(column if column in has else f"{_NEW[column]} AS {column}" for column in columns)
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT id, {cells} FROM main.calls")
    # The oldest files have no `meta`.
    has_meta = connection.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'meta'").fetchone() is not None
    for name in ("batches", "media", "rows", *(() if has_meta else ("meta",))):
        start = schema.CREATE.index(f"CREATE TABLE {name} ")
        statement = schema.CREATE[start : schema.CREATE.index(";", start)]
        connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))


def with_row_checks(connection: sqlite3.Connection) -> None:
    """Let a reader's statements read the tables of a journal whose rows have no `row_check` yet."""
    for name in lacking_row_checks(connection):
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT *, NULL AS row_check FROM main.{name}")


def lacking_row_checks(connection: sqlite3.Connection) -> list[str]:
    """The tables whose rows have no `row_check` yet."""
    statement = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND instr(sql, 'row_check') = 0"
    return [name for (name,) in connection.execute(statement) if name in schema.CHECKED_TABLES]
