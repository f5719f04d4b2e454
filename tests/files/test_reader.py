"""Records: one interface to every format."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import ConfigError, RecordError, open_records, record_writer
from kaizen_batch.files.names import FORMATS, WRITABLE


@pytest.mark.parametrize("format", WRITABLE)
def test_every_format_that_can_be_written_is_read_the_same_way(tmp_path: Path, format: str) -> None:
    with record_writer(tmp_path / "file", format=format) as writer:
        for number in range(3):
            writer.write({"a": f"text {number}", "b": "x"})
    with open_records(tmp_path / "file", format=format) as records:
        assert records.format == format
        assert records.names() == ("a", "b")
        rows = list(records)
    assert [row["a"] for row in rows] == ["text 0", "text 1", "text 2"] and records.rows_read == 3
    assert format in FORMATS


def test_names_of_json_are_those_of_the_first_row_which_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"a": 1}\n{"b": 2}\n')
    with open_records(tmp_path / "in.jsonl") as records:
        assert records.names() == ("a",)
        assert (list(records), records.rows_read) == ([{"a": 1}, {"b": 2}], 2)


def test_only_the_used_columns_of_a_table_become_python_values(tmp_path: Path, write: Any) -> None:
    path = write("in.parquet", [{"a": 1, "b": "x"}])
    with open_records(path) as records:
        records.use(("b",))
        [row] = list(records)
    assert row == {"b": "x"} and row.cells() == {"a": 1, "b": "x"}


def test_options_are_checked_when_they_are_given() -> None:
    with pytest.raises(ConfigError, match="delimiter must be one character"):
        open_records("a.csv", delimiter="::")
    with pytest.raises(TypeError):
        open_records("a.csv", delimeter=";")  # type: ignore[call-arg]


def test_what_is_opened_is_closed_after_an_error(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    (tmp_path / "in.csv").write_text("")
    with pytest.raises(RecordError, match="it is empty"), open_records(tmp_path / "in.csv"):
        pass
    assert not recwarn.list
