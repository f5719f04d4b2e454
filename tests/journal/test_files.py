"""Opening journals and files: one writer at a time, readers beside it, and files that appear whole."""

from pathlib import Path

import pytest

from kaizen_batch import Journal, JournalError
from kaizen_batch.journal.files import open_reader, real_path, replacing, write_lock


def test_two_names_of_a_file_are_one_path(tmp_path: Path) -> None:
    (tmp_path / "run.db").touch()
    (tmp_path / "link.db").symlink_to("run.db")
    assert real_path(tmp_path / "link.db") == real_path(tmp_path / "sub" / ".." / "run.db")


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


def test_there_is_nothing_to_read_without_a_journal(tmp_path: Path) -> None:
    for path in (tmp_path / "none.db", tmp_path / "empty.db"):
        (tmp_path / "empty.db").touch()
        with pytest.raises(JournalError) as caught:
            open_reader(path)
        assert caught.value.code == "journal_missing"


async def test_readers_are_allowed_beside_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    async with Journal(path).writing():
        assert len(Journal(path)) == 0


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with replacing(target) as new:
        new.write_text("first")
        assert not target.exists()
    with pytest.raises(RuntimeError), replacing(target) as new:
        new.write_text("second")
        raise RuntimeError("stopped")
    assert target.read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]
