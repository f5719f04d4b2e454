"""The copy of the old file: whole, marked, gone at the end, and no other file is ever touched."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kaizen_batch.errors import JournalError
from kaizen_batch.journal.old_file import kept_while_migrating


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)")
        connection.execute("CREATE TABLE calls (id INTEGER)")
        connection.execute("INSERT INTO calls VALUES (7)")
        yield connection


def copies(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.glob("*.format-1*"))


def test_the_old_file_is_whole_and_private_while_the_new_one_is_made(
    connection: sqlite3.Connection, path: Path
) -> None:
    with kept_while_migrating(connection, path, 1):
        kept = Path(f"{path}.format-1")
        connection.execute("DELETE FROM calls")
        with closing(sqlite3.connect(kept)) as copy:
            assert copy.execute("SELECT id FROM calls").fetchall() == [(7,)]
        assert kept.stat().st_mode & 0o777 == 0o600
    assert copies(path) == []


def test_it_goes_also_when_the_migration_fails(connection: sqlite3.Connection, path: Path) -> None:
    with pytest.raises(RuntimeError), kept_while_migrating(connection, path, 1):
        assert copies(path) == ["run.db.format-1"]
        raise RuntimeError
    assert copies(path) == []


def test_what_a_killed_migration_has_left_goes_with_the_next_opening(
    connection: sqlite3.Connection, path: Path
) -> None:
    with kept_while_migrating(connection, path, 1):
        left = Path(f"{path}.format-1").read_bytes()
    Path(f"{path}.format-1").write_bytes(left)
    Path(f"{path}.format-1.part").write_bytes(left[:5000])
    with kept_while_migrating(connection, path, 2):
        pass
    assert copies(path) == []


@pytest.mark.parametrize("content", [b"", b"mine", b"SQLite format 3\0" + b"\xff" * 5000])
def test_another_file_of_that_name_is_never_touched(connection: sqlite3.Connection, path: Path, content: bytes) -> None:
    other = Path(f"{path}.format-1")
    other.write_bytes(content)
    with pytest.raises(JournalError), kept_while_migrating(connection, path, 1):
        raise AssertionError
    with kept_while_migrating(connection, path, 2):
        pass
    assert other.read_bytes() == content and copies(path) == ["run.db.format-1"]
