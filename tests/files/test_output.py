"""An output appears whole or not at all, and what was there before stays until then."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import RecordError, record_writer

NAMES = ["out.csv", "out.jsonl", "out.parquet", "out.csv.gz", "out.jsonl.zst", "out.tsv.xz"]
every_format = pytest.mark.parametrize("name", NAMES)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@every_format
def test_the_file_is_there_after_the_block_and_not_before(tmp_path: Path, name: str) -> None:
    with record_writer(tmp_path / name) as writer:
        writer.write({"a": "1"})
        assert not (tmp_path / name).exists()
        assert writer.rows_written == 1
    assert files(tmp_path) == [name]


@every_format
def test_after_an_exception_the_old_file_is_as_it_was(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    with pytest.raises(KeyboardInterrupt), record_writer(tmp_path / name) as writer:
        writer.write({"a": "1"})
        raise KeyboardInterrupt
    assert (tmp_path / name).read_text() == "old"
    assert files(tmp_path) == [name]


def test_a_new_file_has_the_mode_that_the_umask_says_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        for mode in (0o640, 0o600):
            with record_writer(tmp_path / "out.csv") as writer:
                writer.write({"a": "1"})
            assert (tmp_path / "out.csv").stat().st_mode & 0o777 == mode
            (tmp_path / "out.csv").chmod(0o600)
    finally:
        os.umask(before)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out.csv").symlink_to(tmp_path / "real" / "file.csv")
    with record_writer(tmp_path / "out.csv") as writer:
        writer.write({"a": "1"})
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "real" / "file.csv").read_text() == "a\n1\n"


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    with record_writer(tmp_path / "out.csv") as first:
        first.write({"a": "1"})
        with (
            pytest.raises(RecordError, match="being written by another run") as caught,
            record_writer(tmp_path / "out.csv"),
        ):
            pass
        first.write({"a": "2"})
    assert caught.value.code == "file_busy"
    assert (tmp_path / "out.csv").read_text() == "a\n1\n2\n"


KILLED = """
import os, sys
from kaizen_batch import record_writer
with record_writer(sys.argv[1]) as writer:
    for n in range(2_000):
        writer.write({"a": n, "b": "x" * 100})
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_writer_leaves_is_taken_over_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out.csv")]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(files(tmp_path)) == 2 and files(tmp_path)[0].startswith(".out.csv.")
    assert (tmp_path / "out.csv").read_text() == "old"
    with record_writer(tmp_path / "out.csv") as writer:
        writer.write({"a": "1"})
    assert (files(tmp_path), (tmp_path / "out.csv").read_text()) == (["out.csv"], "a\n1\n")


# Where it cannot be written.


@every_format
def test_a_folder_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match=r"the folder '.*nowhere' does not exist") as caught:
        record_writer(tmp_path / "nowhere" / name).__enter__()
    assert caught.value.code == "file_unwritable"


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(RecordError, match="it is a folder") as caught:
        record_writer(tmp_path / "out.csv").__enter__()
    assert caught.value.code == "file_unwritable"


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="a folder where nobody may write")
def test_a_folder_that_is_not_ours() -> None:
    with pytest.raises(RecordError, match=r"cannot be written: .*name a file in a folder") as e:
        record_writer("/sys/kernel/out.csv").__enter__()
    assert e.value.code == "file_unwritable"


@contextmanager
def small_disk() -> Iterator[None]:
    """A disk that is full after 100 kB, for all that this process writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet", "out.csv.gz", "out.jsonl.zst"])
def test_a_full_disk_is_one_error_and_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    with pytest.raises(RecordError, match="no space is left for") as caught, small_disk(), record_writer(
        tmp_path / name
    ) as writer:  # fmt: skip
        for _ in range(400):
            writer.write({"a": os.urandom(1000).hex()})
    assert caught.value.code == "disk_full"
    assert (files(tmp_path), (tmp_path / name).read_text()) == ([name], "old")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_device_is_written_to_as_it_comes(tmp_path: Path) -> None:
    with record_writer("/dev/null", format="csv") as writer:
        writer.write({"a": "1"})
    with pytest.raises(RecordError, match="no space is left"), record_writer("/dev/full", format="jsonl") as writer:
        writer.write({"a": "1"})
    assert Path("/dev/null").exists() and Path("/dev/full").exists()


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_column_that_comes_too_late_for_a_stream_is_an_error_that_says_what_to_do(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaizen_batch.files.columnar_writer._CHUNK_ROWS", 1)
    monkeypatch.setattr("kaizen_batch.files.columnar_writer._GROUP_ROWS", 1)
    with (
        pytest.raises(RecordError, match="write to a file, or in the format jsonl") as caught,
        record_writer("/dev/null", format=format) as writer,
    ):
        writer.write({"a": 1})
        writer.write({"a": 1, "b": 2})
    assert caught.value.code == "new_column"


def test_rows_of_any_kind_go_through_any_format(write: Any, read: Any) -> None:
    for name in NAMES:
        assert [row["a"] for row in read(write(name, [{"a": "x"}, {"a": "y"}]))] == ["x", "y"]
