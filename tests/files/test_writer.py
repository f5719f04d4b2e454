"""RecordWriter: complete or not at all, in every format."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import ConfigError, open_records, record_writer
from kaizen_batch.files.names import WRITABLE


@pytest.mark.parametrize("format", WRITABLE)
def test_after_an_exception_an_older_file_is_unchanged(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"out.{format}"
    path.write_bytes(b"older")
    with pytest.raises(KeyError), record_writer(path) as writer:
        writer.write({"a": 1})
        raise KeyError
    assert path.read_bytes() == b"older" and [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format", WRITABLE)
def test_a_writer_can_be_abandoned_or_renamed(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"out.{format}"
    with record_writer(path) as writer:
        writer.write({"a": 1})
        writer.abandon()
    assert not path.exists()
    with record_writer(path) as writer:
        writer.write({"a": 1})
        writer.rename(str(tmp_path / f"other.{format}"))
    assert [each.name for each in tmp_path.iterdir()] == [f"other.{format}"]


def test_rows_of_one_format_are_written_on_in_any_other(tmp_path: Path, write: Any, read: Any) -> None:
    for source in WRITABLE:
        path = write(f"in.{source}", [{"a": "x", "b": "y"}])
        for target in WRITABLE:
            with open_records(path) as records, record_writer(tmp_path / f"out.{target}", like=records) as writer:
                for row in records:
                    writer.add(row, {"c": "z"})
            assert read(tmp_path / f"out.{target}") == [{"a": "x", "b": "y", "c": "z"}], (source, target)


def test_a_format_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(ConfigError, match="ods can be read but not written"):
        record_writer("a.ods")
