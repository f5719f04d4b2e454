"""Every way in which the file can be unusable: the code, a message with the fix, and no row lost."""
# ruff: noqa: ASYNC240 - a test may touch the disk

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import Journal, StoredAnswer, faults, schema
from kaizen_batch.results import ItemError

KEY = bytes(32)
TORN = ItemError("NoAnswerError", "torn", "no_answer", True)
as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


async def write(path: Path, items: int = 3) -> None:
    async with Journal(path).writing() as journal:
        for item in range(items):
            key = item.to_bytes(32, "big")
            await journal.begin(key, item=item, request='"' + "x" * 2000 + '"')
            await journal.done(key, StoredAnswer("kept"))


@asynccontextmanager
async def refused(code: str, *words: str) -> AsyncIterator[None]:
    with pytest.raises(JournalError) as caught:
        yield
    assert caught.value.code == code
    assert all(word in caught.value.message for word in words), caught.value.message


async def opened(path: Path) -> None:
    async with Journal(path).writing():
        pass


def foreign(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize("content", [b"a", b"item,answer\n1,Paris\n" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_garbage_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    async with refused("journal_damaged", "run.db", "name another file"):
        await opened(path)
    async with refused("journal_damaged", "run.db"):
        Journal(path).count()
    assert path.read_bytes() == content


@pytest.mark.parametrize("left", [50, 5000, -1])
async def test_a_truncated_file(path: Path, left: int) -> None:
    await write(path)
    os.truncate(path, left if left > 0 else path.stat().st_size - 1)
    content = path.read_bytes()
    async with refused("journal_damaged", "-wal"):
        await opened(path)
    async with refused("journal_damaged"):
        Journal(path).count()
    assert path.read_bytes() == content


async def test_a_file_that_is_damaged_inside(path: Path) -> None:
    await write(path, 30)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    path.write_bytes(content)
    async with refused("journal_damaged"):
        list(Journal(path))


async def test_an_emptied_file_beside_a_full_wal_is_not_taken_for_a_new_one(
    path: Path, crash: Callable[[Path, str], Path]
) -> None:
    async with Journal(path).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
        left = crash(path, "left.db")
    os.truncate(left, 0)
    async with refused("journal_damaged", "left.db-wal"):
        await opened(left)


async def test_a_torn_wal_loses_its_torn_tail_only(path: Path, crash: Callable[[Path, str], Path]) -> None:
    async with Journal(path).writing() as journal:
        sizes = []
        for item in range(5):
            await journal.begin(item.to_bytes(32, "big"), item=item, request="{}")
            sizes.append(path.with_name("run.db-wal").stat().st_size)
        left = crash(path, "left.db")
    os.truncate(f"{left}-wal", sizes[-1] - 100)
    Journal(left).accept_loss()
    async with Journal(left).writing():
        pass
    assert [entry.item for entry in Journal(left)] == [0, 1, 2, 3]


@pytest.mark.parametrize("statements", [["CREATE TABLE t (x)"], ["PRAGMA user_version = 3"]])
async def test_a_file_of_someone_else(path: Path, statements: list[str]) -> None:
    foreign(path, *statements)
    content = path.read_bytes()
    async with refused("not_a_journal", "run.db", "name another file"):
        await opened(path)
    async with refused("not_a_journal"):
        Journal(path).count()
    assert path.read_bytes() == content


async def test_a_later_version(path: Path) -> None:
    await write(path)
    foreign(path, f"PRAGMA user_version = {schema.FORMAT + 1}")
    async with refused("journal_version", f"format {schema.FORMAT + 1}", "upgrade kaizen-batch"):
        await opened(path)
    async with refused("journal_version"):
        Journal(path).count()


async def test_nothing_to_read(path: Path) -> None:
    async with refused("journal_missing", "run.db"):
        Journal(path).count()
    async with refused("journal_missing"):
        Journal(path).prune()
    async with refused("journal_missing"):
        Journal(path).__enter__()
    path.touch()
    async with refused("journal_missing"):
        list(Journal(path))
    assert not path.with_name("run.db.lock").exists()


async def test_an_empty_file_is_a_new_journal(path: Path) -> None:
    path.touch()
    await write(path)
    assert len(Journal(path)) == 3


async def test_a_folder_in_the_way(tmp_path: Path) -> None:
    async with refused("journal_unwritable", "folder"):
        await opened(tmp_path)
    async with refused("journal_unwritable", "folder"):
        Journal(tmp_path).count()


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    async with refused("journal_unwritable", "does not exist", "no-such"):
        await opened(tmp_path / "no-such" / "run.db")


@as_root
async def test_a_read_only_file_or_folder(path: Path) -> None:
    await write(path)
    path.chmod(0o400)
    async with refused("journal_unwritable", "Permission denied"):
        await opened(path)
    assert len(Journal(path)) == 3
    path.with_name("run.db.lock").unlink()
    path.parent.chmod(0o500)
    async with refused("journal_unwritable", "Permission denied"):
        await opened(path)
    assert len(Journal(path)) == 3
    path.parent.chmod(0o700)


async def test_a_reader_needs_no_place_for_files_of_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(path)
    connect = sqlite3.connect

    def read_only_medium(name: str, **options: Any) -> sqlite3.Connection:
        if "immutable" not in name:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only_medium)
    async with refused("journal"):
        len(Journal(path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert len(Journal(path)) == 3


async def test_a_full_disk_ends_the_run_and_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with refused("journal_full", "no space", "free some space"), Journal(path).writing() as journal:
        kept = 0
        connection = journal.shared.store.connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        while True:
            key = kept.to_bytes(32, "big")
            await journal.begin(key, item=kept, request='"' + "x" * 2000 + '"')
            kept += 1
    assert kept > 5
    assert Journal(path).count()["in_flight"] == kept
    await write(path, kept + 5)
    assert Journal(path).count()["done"] == kept + 5


async def test_after_a_fault_all_who_wait_and_all_who_come_are_told(path: Path, stall: Any) -> None:
    async with refused("journal_full"), Journal(path).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
        stall.shut()
        first = journal.done(KEY, StoredAnswer("never"))
        await asyncio.to_thread(stall.reached.wait)
        second = [journal.begin(bytes([n]) * 32, item=n, request="{}") for n in range(1, 4)]
        second.append(journal.look_up(KEY))
        stall.fault = OSError(errno.ENOSPC, "No space left on device")
        stall.open()
        told = await asyncio.gather(first, *second, return_exceptions=True)
        assert [error.code for error in told if isinstance(error, JournalError)] == ["journal_full"] * 5
        assert len({id(error) for error in told}) == 5
        with pytest.raises(JournalError, match="no space"):
            journal.end_call(KEY, TORN)
        with pytest.raises(JournalError, match="no space"):
            await journal.begin(KEY, item=0, request="{}")
    assert Journal(path).count()["in_flight"] == 1
    stall.fault = None
    await write(path)  # and the lock is free


async def test_a_fault_of_what_nobody_awaited_is_raised_at_the_end(path: Path, stall: Any) -> None:
    async with refused("journal_unwritable", "Input/output"), Journal(path).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
        stall.fault = OSError(errno.EIO, "Input/output error")
        journal.end_call(KEY, TORN)


async def test_the_fault_does_not_hide_the_error_of_the_run(path: Path, stall: Any) -> None:
    with pytest.raises(ValueError, match="of the run"):
        async with Journal(path).writing() as journal:
            await journal.begin(KEY, item=0, request="{}")
            stall.fault = RuntimeError("odd")
            journal.end_call(KEY, TORN)
            raise ValueError("of the run")


async def test_who_needs_the_file_alone_is_told_who_holds_it(path: Path) -> None:
    async with Journal(path, clock=lambda: 0.0).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
        async with refused("journal_locked", f"process {os.getpid()}", "since 1970-01-01 00:00:00 UTC", "wait"):
            Journal(path).prune()
        await journal.done(KEY, StoredAnswer("still mine"))
    await opened(path)


async def test_a_lock_file_is_never_followed_elsewhere(path: Path) -> None:
    async with Journal(path).writing():
        other = path.with_name("other.db")
        path.with_name("other.db.lock").symlink_to("run.db.lock")
        async with refused("journal_unwritable"):
            await opened(other)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, "journal_full"),
        (sqlite3.SQLITE_CORRUPT, "journal_damaged"),
        (sqlite3.SQLITE_NOTADB, "journal_damaged"),
        (sqlite3.SQLITE_BUSY, "journal_locked"),
        (sqlite3.SQLITE_READONLY, "journal_unwritable"),
        (sqlite3.SQLITE_IOERR | 3 << 8, "journal_unwritable"),
        (sqlite3.SQLITE_CANTOPEN, "journal_unwritable"),
        (sqlite3.SQLITE_MISUSE, "journal"),
        (None, "journal"),
    ],
)
def test_errors_of_sqlite(path: Path, code: int | None, expected: str) -> None:
    error = sqlite3.OperationalError("what it says")
    if code is not None:
        error.sqlite_errorcode = code
    assert faults.of_any(path, error).code == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, "journal_full"),
        (errno.EDQUOT, "journal_full"),
        (errno.EROFS, "journal_unwritable"),
        (errno.EACCES, "journal_unwritable"),
    ],
)
def test_errors_of_the_system(path: Path, code: int, expected: str) -> None:
    fault = faults.of_any(path, OSError(code, os.strerror(code)))
    assert fault.code == expected
    assert faults.of_any(path, fault) is fault
    assert "odd" in faults.of_any(path, RuntimeError("odd")).message
