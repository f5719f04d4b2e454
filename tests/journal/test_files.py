"""Opening journals as a reader, and files that appear whole."""

from pathlib import Path

import pytest

from kaizen_batch import Journal, JournalError
from kaizen_batch.journal.files import open_reader, real_path, replacing


def test_two_names_of_a_file_are_one_path(tmp_path: Path) -> None:
    (tmp_path / "run.db").touch()
    (tmp_path / "link.db").symlink_to("run.db")
    assert real_path(tmp_path / "link.db") == real_path(tmp_path / "sub" / ".." / "run.db")


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
