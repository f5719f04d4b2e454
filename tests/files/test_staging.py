"""The folder of an output: private, of a name that cannot be guessed, and nothing of others is ever removed."""

import os
import stat
from pathlib import Path

import pytest

from kaizen_batch import record_writer
from kaizen_batch.files.staging import Staging


def staged(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".part")]


def test_the_folder_is_private_and_its_name_is_another_each_time(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        with record_writer(tmp_path / "out.csv") as writer:
            writer.write({"a": "secret"})
            [folder] = staged(tmp_path)
            names.add(folder.name)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            parts = [path for path in folder.iterdir() if path.name != "lock"]
            assert {stat.S_IMODE(path.stat().st_mode) for path in parts} <= {0o600}
        assert staged(tmp_path) == []
    assert len(names) == 3


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_output_has_the_mode_of_the_user(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with record_writer(tmp_path / "out.csv") as writer:
            writer.write({"a": "1"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == mode


def leftover(folder: Path, name: str = ".out.csv.abcd1234.part") -> Path:
    left = folder / name
    left.mkdir(mode=0o700)
    for each in ("lock", "1", "2", "mode"):
        (left / each).write_text("x")
    return left


def write(folder: Path) -> None:
    with record_writer(folder / "out.csv") as writer:
        writer.write({"a": "1"})


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = leftover(tmp_path)
    write(tmp_path)
    assert not left.exists()


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    other_name = leftover(tmp_path, ".other.csv.abcd1234.part")
    open_to_all = leftover(tmp_path, ".out.csv.open1234.part")
    open_to_all.chmod(0o755)
    without_lock = leftover(tmp_path, ".out.csv.nolock12.part")
    (without_lock / "lock").unlink()
    with_more = leftover(tmp_path, ".out.csv.more1234.part")
    (with_more / "letter.txt").write_text("mine")
    (with_more / "3").mkdir()
    (tmp_path / "precious").mkdir(mode=0o700)
    (tmp_path / "precious" / "1").write_text("mine")
    (tmp_path / "precious" / "lock").write_text("mine")
    link = tmp_path / ".out.csv.link1234.part"
    link.symlink_to(tmp_path / "precious")
    write(tmp_path)
    for kept in (other_name, open_to_all, without_lock):
        assert (kept / "1").exists()
    assert (with_more / "letter.txt").read_text() == "mine" and (with_more / "3").is_dir()
    assert link.is_symlink() and (tmp_path / "precious" / "1").read_text() == "mine"


def test_a_file_or_link_in_the_place_of_a_part_is_never_written_to(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "out.csv")
    staging.begin()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    staging.path(1).symlink_to(victim)
    staging.path(2).write_text("there")
    for number in (1, 2):
        with pytest.raises(FileExistsError):
            staging.create(staging.path(number))
    staging.end()
    assert victim.read_text() == "mine" and staged(tmp_path) == []


def test_while_one_writes_another_cannot_begin_and_harms_nothing(tmp_path: Path) -> None:
    first, second = Staging(tmp_path / "out.csv"), Staging(tmp_path / "out.csv")
    first.begin()
    with pytest.raises(BlockingIOError):
        second.begin()
    assert len(staged(tmp_path)) == 1
    first.end()
    second.begin()
    second.end()
    assert staged(tmp_path) == []
