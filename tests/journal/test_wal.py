"""SQLite's write-ahead log, read by hand: whole logs are whole, and every loss of committed frames is noticed."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaizen_batch.journal.wal import last_pages, read_wal


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A copy of a database with three commits in its log, as a kill leaves it."""
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    connection = sqlite3.connect(live)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t(x)")
    for n in range(3):
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 3000 * (n + 1),))
        connection.commit()
    for end in ("", "-wal", "-shm"):
        shutil.copyfile(f"{live}{end}", f"{copy}{end}")
    connection.close()
    yield copy


def test_a_whole_log_has_all_its_frames(database: Path) -> None:
    state = read_wal(database, with_index=True)
    assert state is not None
    assert state.valid == state.expected > 3
    assert (state.torn, state.later, state.is_damaged) == (0, False, False)
    assert last_pages(database)


def test_a_log_that_lost_its_end_is_damaged_by_the_index(database: Path) -> None:
    log = Path(f"{database}-wal")
    log.write_bytes(log.read_bytes()[:-5000])
    state = read_wal(database, with_index=True)
    assert state is not None and state.is_damaged


def test_a_hole_in_the_log_is_damage_without_the_index(database: Path) -> None:
    log = Path(f"{database}-wal")
    content = bytearray(log.read_bytes())
    content[32 + 24 + 10] ^= 0xFF  # in the first frame
    log.write_bytes(content)
    state = read_wal(database, with_index=False)
    assert state is not None
    assert state.valid == 0 and state.later and state.is_damaged


def test_there_may_be_no_log(tmp_path: Path) -> None:
    assert read_wal(tmp_path / "none.db", with_index=True) is None
    (tmp_path / "odd.db-wal").write_bytes(b"no log")
    assert read_wal(tmp_path / "odd.db", with_index=True) is None
    assert last_pages(tmp_path / "odd.db") == {}
