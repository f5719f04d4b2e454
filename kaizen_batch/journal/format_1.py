"""Format 1 of the journal: how readers see it, and what its keys were made from."""

import sqlite3
from hashlib import sha256

from kaizen_batch.journal import schema

# Columns that format 1 did not have, and what they say there.
_NEW = {
    "unpriced": "0",
    "before": "NULL",
    "via": "'live'",
    "batch": "NULL",
    "reasoning": "NULL",
    "reasoning_tokens": "NULL",
    "max_tokens": "NULL",
    "answer_check": "NULL",
}


def old_key(endpoint: str, request: bytes) -> bytes:
    """What named a request in format 1: the SHA-256 of its endpoint and of the bytes that went over the wire."""
    where = endpoint.encode()
    return sha256(len(where).to_bytes(4, "big") + where + request).digest()


def as_format_2(connection: sqlite3.Connection) -> None:
    """Let a reader's statements for this format read a journal of format 1."""
    old = [row[1] for row in connection.execute("PRAGMA main.table_info(calls)")]
    columns = [*old, *(f"{value} AS {name}" for name, value in _NEW.items())]
    connection.execute(f"CREATE TEMP VIEW calls AS SELECT {', '.join(columns)} FROM main.calls")
    for name in ("batches", "media", "rows"):
        start = schema.CREATE.index(f"CREATE TABLE {name} ")
        statement = schema.CREATE[start : schema.CREATE.index(";", start)]
        connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
