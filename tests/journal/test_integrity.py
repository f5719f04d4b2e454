"""What is refused, what is asked again, and what opens: copies, damage, lost parts, other names, other writers."""
# ruff: noqa: ASYNC240 - a test may touch the disk

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import Journal, StoredAnswer, identity, integrity, schema
from kaizen_batch.journal.batches import Batch, save_batch
from kaizen_batch.journal.records import BatchRow
from kaizen_batch.journal.wal import read_wal

KEY = bytes(32)
PARTS = ("", "-wal", "-shm")
ITEMS = 60

KILLED = """
import asyncio, hashlib, os, signal, sys
from kaizen_batch.journal import Journal, StoredAnswer

async def main():
    async with Journal(sys.argv[1]).writing() as journal:
        journal.begin_run({"total": int(sys.argv[2])})
        for item in range(int(sys.argv[2])):
            key = hashlib.sha256(str(item).encode()).digest()
            await journal.begin(key, item=item, request='"%d"' % item, at_risk_usd=0.25)
            await journal.done(key, StoredAnswer(f"answer {item} " + "x" * 300), spent_usd=0.25)
            journal.row(item, "ok", id=f"name {item}", key=key)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def killed_run(path: Path, items: int = ITEMS) -> Path:
    """What a process that was killed has left, at its own place."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run([sys.executable, "-c", KILLED, str(path), str(items)], env=environment, check=False)
    assert process.returncode == -signal.SIGKILL
    return path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return killed_run(tmp_path_factory.mktemp("killed") / "run.db")


@pytest.fixture
def image(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a killed run's files that passes for the files themselves."""
    to = tmp_path / "image.db"
    for part in PARTS:
        shutil.copyfile(f"{killed}{part}", f"{to}{part}")
    inode, real = identity.file_id(killed)[1], identity.file_id
    monkeypatch.setattr(integrity, "file_id", lambda path: (0, inode) if Path(path) == to else real(path))
    return to


async def opened(path: Path) -> int:
    """How many rows were damaged."""
    async with Journal(path).writing() as journal:
        return journal.findings.damaged


async def refused(path: Path, *words: str, code: str = "journal_incomplete") -> None:
    before = {part: Path(f"{path}{part}").read_bytes() for part in PARTS[:2] if Path(f"{path}{part}").exists()}
    with pytest.raises(JournalError) as caught:
        await opened(path)
    assert caught.value.code == code, caught.value.message
    assert all(word in caught.value.message for word in words), caught.value.message
    for part, content in before.items():
        assert Path(f"{path}{part}").read_bytes() == content, "a refused file was changed"


async def test_what_a_killed_run_left_opens_where_it_is(tmp_path: Path) -> None:
    path = killed_run(tmp_path / "run.db")
    assert Journal(path).count()["done"] == ITEMS
    assert (tmp_path / "run.db-wal").stat().st_size > 0, "a reader must not fold in what a killed run left"
    assert await opened(path) == 0
    assert Journal(path).count()["done"] == ITEMS
    assert not (tmp_path / "run.db-wal").exists()


async def test_the_db_alone_is_refused_until_the_loss_is_accepted(image: Path) -> None:
    Path(f"{image}-wal").unlink()
    await refused(image, "image.db-wal", "missing", "--accept-loss")
    with pytest.raises(JournalError, match="accept-loss"):
        Journal(image).count()
    Journal(image).accept_loss()
    assert await opened(image) == 0


async def test_an_emptied_or_damaged_wal_is_refused(image: Path) -> None:
    wal = Path(f"{image}-wal")
    content = wal.read_bytes()
    for damaged in (b"", content[:20], b"\0" * len(content)):
        wal.write_bytes(damaged)
        await refused(image, "-wal")
    wal.write_bytes(content)
    assert await opened(image) == 0


async def test_a_wal_that_was_cut_short_is_refused_by_what_the_index_counts(image: Path) -> None:
    state = read_wal(image, with_index=True)
    assert state is not None and state.expected == state.valid > 3
    frame = 24 + 4096
    os.truncate(f"{image}-wal", 32 + frame * (state.valid - 1))
    await refused(image, "cut short")


async def test_a_bit_in_the_middle_of_the_wal_is_noticed_without_the_index(image: Path) -> None:
    Path(f"{image}-shm").unlink()
    wal = Path(f"{image}-wal")
    content = bytearray(wal.read_bytes())
    content[32 + (24 + 4096) * 2 + 600] ^= 4
    wal.write_bytes(content)
    await refused(image, "damaged")


async def test_a_raw_copy_of_an_open_journal_is_refused_and_a_snapshot_is_not(killed: Path, tmp_path: Path) -> None:
    copy, snapshot = tmp_path / "copy.db", tmp_path / "snapshot.db"
    for part in PARTS:
        shutil.copyfile(f"{killed}{part}", f"{copy}{part}")
    Journal(killed).snapshot(snapshot)
    await refused(copy, "copy", "snapshot")
    assert Journal(copy).count()["done"] == ITEMS  # reading it is harmless
    assert await opened(snapshot) == 0
    assert Journal(snapshot).count()["done"] == ITEMS
    assert [file.name for file in tmp_path.iterdir() if "snapshot" in file.name and "lock" not in file.name] == [
        "snapshot.db"
    ]


async def test_a_snapshot_while_a_run_writes_is_closed_and_complete(path: Path, tmp_path: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
        await journal.done(KEY, StoredAnswer("kept"))
        Journal(path).snapshot(tmp_path / "snapshot.db")
        await journal.begin(KEY, item=0, request="{}")
    with Journal(tmp_path / "snapshot.db") as copy:
        assert copy.count()["done"] == 1
    assert await opened(tmp_path / "snapshot.db") == 0


async def test_a_db_that_was_put_back_beside_a_newer_wal_is_refused(path: Path, tmp_path: Path, killed: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
    shutil.copyfile(f"{killed}-wal", f"{path}-wal")
    await refused(path, "belongs to another state")
    Journal(path).accept_loss()
    assert await opened(path) == 0
    assert Journal(path).count()["unknown"] == 1


async def test_a_clean_end_can_be_copied_and_moved(path: Path, tmp_path: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.done(KEY, StoredAnswer("kept"))
    shutil.copyfile(path, tmp_path / "copy.db")
    assert await opened(tmp_path / "copy.db") == 0


@pytest.mark.parametrize("column", ["text", "finish_reason", "input_tokens", "spent_usd", "attempts", "state", "key"])
async def test_a_damaged_row_is_reported_and_never_served(path: Path, column: str, caplog: Any) -> None:
    keys = [bytes([n]) * 32 for n in range(5)]
    async with Journal(path).writing() as journal:
        for number, key in enumerate(keys):
            await journal.begin(key, item=number, request="{}", at_risk_usd=0.25)
            await journal.done(key, StoredAnswer(f"answer {number}", "stop"), spent_usd=0.25)
    damage = {"text": "'anwser 2'", "finish_reason": "'sdop'", "input_tokens": "7", "spent_usd": "0.125"}
    values = {**damage, "attempts": "3", "state": "'dome'", "key": "x'" + "02" * 31 + "03'"}
    flip(path, column, keys[2], values[column])
    async with Journal(path).writing() as journal:
        assert journal.findings.damaged == 1
        assert "1 of 5 rows were damaged" in caplog.text
        entry = await journal.look_up(keys[2])
        assert entry is None or (entry.state == "failed" and entry.answer is None)
        for key in (keys[0], keys[4]):
            entry = await journal.look_up(key)
            assert entry is not None and entry.state == "done"
        await journal.begin(keys[2], item=2, request="{}")
        await journal.done(keys[2], StoredAnswer("again"))
    assert await opened(path) == 0


def flip(path: Path, column: str, key: bytes, value: str) -> None:
    """Change a cell without its checksum, as damage on the disk would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        row, before = connection.execute("SELECT id, ledger_check FROM calls WHERE key = ?", (key,)).fetchone()
        table = "answers" if column in schema.ANSWER_COLUMNS else "calls"
        connection.execute(f"UPDATE {table} SET {column} = {value} WHERE id = ?", (row,))
        (after,) = connection.execute("SELECT ledger_check FROM calls WHERE id = ?", (row,)).fetchone()
    if before != after:  # SQLite keeps this one by itself: put the old one back into the file
        content = path.read_bytes()
        old, new = (number.to_bytes(_width(number), "big", signed=True) for number in (after, before))
        assert len(old) == len(new) and content.count(old) == 1
        path.write_bytes(content.replace(old, new))


def _width(number: int) -> int:
    return next(size for size in (1, 2, 3, 4, 6, 8) if -(2 ** (8 * size - 1)) <= number < 2 ** (8 * size - 1))


async def with_every_table(path: Path) -> None:
    """A run with a list of rows, and a batch with two requests."""
    async with Journal(path).writing() as journal:
        journal.begin_run({"config": {"labels": {"command": "run --model small"}}})
        for item in range(2):
            await journal.submit(BatchRow(bytes([item]) * 32, item, "{}", 0.25), 7)
        for number in range(3):
            journal.row(number, "ok", id=f"name \ud83d{number}", key=bytes(32))
        journal.end_run({"total": 3, "stopped": "early"})
        batch = Batch(
            7, "intent", "http://one", "model", "submitted", 1.0, remote_id="batch_17", rows=2, at_risk_usd=0.5
        )
        await save_batch(journal, batch)


def change(path: Path, statement: str) -> None:
    """Change cells without their checksum, as damage on the disk would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount == 1


@pytest.mark.parametrize("cell", ["status = 'failed'", "id = 'name 2'", "key = x'01'", "key = NULL", "status = x'ff'"])
async def test_a_damaged_row_of_the_input_is_listed_as_damaged(path: Path, cell: str) -> None:
    await with_every_table(path)
    with Journal(path) as journal:
        [run] = journal.runs()
        before = list(journal.rows(run))
    assert [row.id for row in before] == [f"name \ud83d{number}" for number in range(3)]
    change(path, f"UPDATE rows SET {cell} WHERE number = 1")
    after = list(Journal(path).rows(run))
    assert after == [before[0], (1, None, None, "damaged"), before[2]]


@pytest.mark.parametrize("cell", ["description = replace(description, 'small', 'large')", "summary = '{\"total\": 9}'"])
async def test_a_run_whose_record_is_damaged_names_no_command(path: Path, caplog: Any, cell: str) -> None:
    await with_every_table(path)
    change(path, f"UPDATE runs SET {cell}")
    [run] = Journal(path).runs()
    assert (run.description, run.summary) == ({}, None)
    assert "records of 1 runs are damaged" in caplog.text


@pytest.mark.parametrize(
    "cell", ["remote_id = 'batch_16'", "state = 'dropped'", "intent = 'x'", "id = 9", "rows = 3", "counts = '{'"]
)
async def test_the_requests_of_a_damaged_batch_are_doubts_and_asked_again(path: Path, caplog: Any, cell: str) -> None:
    await with_every_table(path)
    assert await opened(path) == 0 and Journal(path).totals().under_way == 2
    change(path, f"UPDATE batches SET {cell}")
    assert await opened(path) == 1
    assert "damaged" in caplog.text and "may be paid twice" in caplog.text
    totals = Journal(path).totals()
    assert (totals.under_way, totals.unanswered, totals.unanswered_usd, totals.at_risk_usd) == (0, 2, 0.5, 0.0)
    assert Journal(path).count()["unknown"] == 2
    [batch] = Journal(path).batches()
    assert (batch.state, batch.is_open) == ("dropped", False)
    assert await opened(path) == 0


async def test_a_journal_whose_tables_have_no_checksum_yet_is_read_and_gets_them(path: Path) -> None:
    await with_every_table(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in schema.CHECKED_TABLES:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN row_check")
    with Journal(path) as journal:
        [run] = journal.runs()
        assert run.description and [row.status for row in journal.rows(run)] == ["ok"] * 3
    await opened(path)
    async with Journal(path).writing() as writer:
        writer.begin_run({"second": True})
        writer.row(0, "ok")
    assert Journal(path).runs()[-1].description == {"second": True}


def images(killed: Path, folder: Path, count: int) -> Iterator[tuple[str, Path]]:
    """Crash images: each with one of its files cut, changed by a bit, emptied or missing, or all as they were."""
    dice = random.Random(11)
    for number in range(count):
        to = folder / str(number)
        to.mkdir()
        path = to / "run.db"
        for part in PARTS:
            shutil.copyfile(f"{killed}{part}", f"{path}{part}")
        part, how = dice.choice(PARTS), dice.choice(["cut", "bit", "bit", "bit", "missing", "as it was"])
        victim = Path(f"{path}{part}")
        content = bytearray(victim.read_bytes())
        if how == "cut":
            victim.write_bytes(content[: dice.randrange(len(content))])
        elif how == "bit":
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
            victim.write_bytes(content)
        elif how == "missing":
            victim.unlink()
        yield f"{number}: {how} {part or '.db'}", path


def check_rows(path: Path, keys: list[bytes]) -> None:
    """What is said of the run and its rows is right, or said to be damaged."""
    with Journal(path) as journal:
        for run in journal.runs():
            assert run.description in ({"total": ITEMS}, {})
            for row in journal.rows(run):
                right = (row.number, f"name {row.number}", keys[row.number % ITEMS], "ok")
                assert row in (right, (row.number, None, None, "damaged"))


@pytest.mark.parametrize("accepts", [False, True])
async def test_a_hundred_crash_images_are_refused_or_right_or_reported(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any, accepts: bool
) -> None:
    keys = [sha256(str(item).encode()).digest() for item in range(ITEMS)]
    # Each passes for the file itself, so that not all are refused as copies.
    inode, real = identity.file_id(killed)[1], identity.file_id
    monkeypatch.setattr(integrity, "file_id", lambda path: (0, inode) if tmp_path in Path(path).parents else real(path))
    outcomes = dict.fromkeys(("refused", "right", "reported"), 0)
    for name, path in images(killed, tmp_path, 100):
        caplog.clear()
        try:
            if accepts and path.exists():
                with suppress(JournalError):
                    Journal(path).accept_loss()
            async with Journal(path).writing() as journal:
                entries = [await journal.look_up(key) for key in keys]
        except JournalError as error:
            assert error.code in ("journal_incomplete", "journal_damaged", "not_a_journal", "journal_version"), name
            outcomes["refused"] += 1
            continue
        answers = [entry.answer if entry is not None and entry.state == "done" else None for entry in entries]
        for item, answer in enumerate(answers):
            assert answer is None or answer.text == f"answer {item} " + "x" * 300, name
        check_rows(path, keys)
        if None not in answers:
            outcomes["right"] += 1
        else:
            assert "damaged" in caplog.text or "loss accepted" in caplog.text, f"{name}: lost without a word"
            outcomes["reported"] += 1
    assert outcomes["right"] > 10 and (outcomes["reported"] if accepts else outcomes["refused"]) > 10, outcomes


def test_images_of_a_run_that_is_writing_are_refused_or_right_or_reported(tmp_path: Path, caplog: Any) -> None:
    """Copied part by part while it writes: each is a copy, so the loss must be accepted, and no answer is wrong."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    path = tmp_path / "run.db"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path), "2000"], env=environment) as process:
        taken = 0
        while process.poll() is None and taken < 15:
            to = tmp_path / f"{taken}.db"
            for part in PARTS:
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{part}", f"{to}{part}")
            taken += to.exists() and to.stat().st_size > 0
        process.kill()
    assert taken > 3
    for number in range(taken):
        copy = tmp_path / f"{number}.db"
        state = read_wal(copy, with_index=False)
        if state is None or not state.valid:
            continue  # taken before the first row
        with pytest.raises(JournalError):
            asyncio.run(opened(copy))
        try:
            Journal(copy).accept_loss()
        except JournalError as error:
            assert error.code in ("journal_damaged", "not_a_journal"), error.message
            continue
        for entry in Journal(copy).entries(("done",)):
            assert entry.answer is not None and entry.answer.text == f"answer {entry.item} " + "x" * 300


def test_a_deleted_lock_and_a_hard_link_let_in_no_second_writer(tmp_path: Path) -> None:
    script = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "print('open', flush=True); sys.stdin.read()")
    path = tmp_path / "run.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path), "3"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        (tmp_path / "run.db.lock").unlink()
        os.link(path, tmp_path / "link.db")
        for name in ("run.db", "link.db"):
            with pytest.raises(JournalError) as caught:
                asyncio.run(opened(tmp_path / name))
            assert caught.value.code == "journal_locked"
        process.kill()
    assert asyncio.run(opened(path)) == 0


async def delete(path: Path) -> None:
    path.unlink()


async def replace(path: Path) -> None:
    async with Journal(path.with_name("other.db")).writing():
        pass
    path.with_name("other.db").replace(path)


async def restore(path: Path) -> None:
    async with Journal(path.with_name("older.db")).writing():
        pass
    path.write_bytes(path.with_name("older.db").read_bytes())


async def lose_wal(path: Path) -> None:
    Path(f"{path}-wal").unlink()


@pytest.mark.parametrize("harm", [delete, replace, restore, lose_wal])
async def test_a_file_that_is_deleted_replaced_or_restored_under_a_run_stops_it(path: Path, harm: Any) -> None:
    with pytest.raises(JournalError) as caught:
        async with Journal(path).writing() as journal:
            await journal.begin(KEY, item=0, request="{}")
            await harm(path)
            left = {file: file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".lock"}
            await journal.done(KEY, StoredAnswer("lost"))
    assert caught.value.code == "journal_replaced"
    assert str(path) in caught.value.message and "start again" in caught.value.message
    for file, content in left.items():
        assert file.read_bytes() == content, "what lies there now is someone else's"


async def test_another_program_may_fold_the_wal_in(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await journal.done(KEY, StoredAnswer("kept"))
    assert Journal(path).count()["done"] == 1


async def test_little_is_ever_in_the_wal(path: Path) -> None:
    async with Journal(path).writing() as journal:
        for item in range(1500):
            await journal.done(item.to_bytes(32, "big"), StoredAnswer("x" * 1000))
        assert Path(f"{path}-wal").stat().st_size < 2_500_000 < path.stat().st_size + 1_000_000


async def test_a_reader_is_not_disturbed_by_what_the_writer_does_to_the_wal(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await journal.begin(KEY, item=0, request="{}")
        wal = Path(f"{path}-wal")
        content = wal.read_bytes()
        wal.write_bytes(content[:16] + b"\0" * 8 + content[24:])  # as while its header is being written
        integrity.check_readable(path)
        wal.write_bytes(content)
