"""Opening journals as the one writer: the lock, folders, and a new file whose maker was killed."""

import asyncio
import os
from contextlib import closing
from pathlib import Path

import pytest

from kaizen_batch import Journal, JournalError
from kaizen_batch.journal import integrity
from kaizen_batch.journal.files import Connection, connect, open_reader, transaction
from kaizen_batch.journal.opening import close_writer, create_tables, open_writer, write_lock


def test_one_writer_holds_the_lock_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with write_lock(path), pytest.raises(JournalError) as caught, write_lock(path):
        pass
    assert caught.value.code == "journal_locked"
    with write_lock(path):
        pass


@pytest.mark.parametrize("name", [".", "none/run.db"])
def test_a_folder_and_a_missing_folder_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalError) as caught, write_lock(tmp_path / name):
        pass
    assert caught.value.code == "journal_unwritable"


def test_closing_leaves_one_file_that_says_so(path: Path) -> None:
    with write_lock(path):
        opened = open_writer(path, creator="test", now=0.0)
        assert Path(f"{path}-wal").exists() and opened.keys == []
        close_writer(opened)
    assert not Path(f"{path}-wal").exists() and len(Journal(path)) == 0


@pytest.mark.parametrize("busy", [1, 2], ids=["before", "after"])
def test_a_reader_delays_the_close_before_and_after_the_mark(
    path: Path, busy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write_lock(path):
        opened = open_writer(path, creator="test", now=0.0)
        looks, checkpoint = 0, integrity.checkpoint

        def look(connection: Connection) -> bool:
            """Once a reader is in the middle of a page that the log has."""
            nonlocal looks
            looks += 1
            if looks != busy:
                return checkpoint(connection)
            with closing(open_reader(path)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM calls").fetchone()
                connection.execute("INSERT INTO meta VALUES ('later', '')")
                return checkpoint(connection)

        monkeypatch.setattr(integrity, "checkpoint", look)
        close_writer(opened)
    assert looks == 3 and not Path(f"{path}-wal").exists() and integrity.is_closed(path)


@pytest.mark.parametrize("is_own", [True, False])
def test_a_journal_whose_maker_was_killed_opens_in_its_place(path: Path, tmp_path: Path, is_own: bool) -> None:
    """Its main file is of no format yet, so the -wal must name it."""
    path.touch()
    connection = connect(str(tmp_path / "made.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        create_tables(connection, "test")
        integrity.set_open(connection, path if is_own else tmp_path / "made.db", "token")
    for part in ("", "-wal"):
        path.with_name(f"run.db{part}").write_bytes((tmp_path / f"made.db{part}").read_bytes())
    connection.close()
    if is_own:
        asyncio.run(opened(path))
        assert len(Journal(path)) == 0
        return
    with pytest.raises(JournalError) as caught:
        asyncio.run(opened(path))
    assert caught.value.code == "journal_incomplete"


async def opened(path: Path) -> None:
    async with Journal(path).writing():
        pass


async def test_a_journal_and_all_that_is_made_of_it_are_private(path: Path) -> None:
    umask = os.umask(0)
    try:
        async with Journal(path).writing() as journal:
            await journal.begin(bytes(32), item=0, request='"private"')
            Journal(path).snapshot(path.with_name("copy.db"))
            Journal(path).export(path.with_name("answers.jsonl"))
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes.keys() >= {"run.db", "run.db-wal", "run.db-shm", "run.db.lock", "copy.db", "answers.jsonl"}
    assert set(modes.values()) == {0o600}
