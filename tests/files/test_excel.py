"""Spreadsheets: cells keep their types, in and out."""

from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kaizen_batch import BatchConfig, ConfigError, FileJob, RecordError, open_records, record_writer, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.files import excel

MOCK = BatchConfig(llm_provider="mock")
ROW = {
    "text": "=1+1", "link": "https://x.example", "int": 7, "float": 1.5, "bool": True, "none": None,
    "date": date(2024, 2, 29), "moment": datetime(2024, 2, 29, 12, 30, 5), "zip": "007",
}  # fmt: skip


def test_cells_keep_their_types(write: Any, read: Any) -> None:
    assert read(write("a.xlsx", [ROW, {}, {"text": "end"}])) == [ROW, dict.fromkeys(ROW) | {"text": "end"}]


def test_what_a_sheet_has_no_type_for_is_text(write: Any, read: Any) -> None:
    row = {"big": 2**60, "inf": float("inf"), "list": [1], "decimal": Decimal("1.10"), "old": date(1850, 1, 1)}
    [found] = read(write("a.xlsx", [row]))
    assert found == {
        "big": "1152921504606846976", "inf": "Infinity", "list": "[1]", "decimal": "1.10", "old": "1850-01-01",
    }  # fmt: skip


def test_another_reader_sees_the_same(write: Any) -> None:
    frame = pd.read_excel(write("a.xlsx", [ROW]), engine="calamine", dtype={"zip": str})
    assert frame.loc[0, "text"] == "=1+1" and frame.loc[0, "moment"] == pd.Timestamp(2024, 2, 29, 12, 30, 5)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A workbook of two sheets; the second has a title line, a gap on the left and columns without a name."""
    import xlsxwriter

    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        first, second = workbook.add_worksheet("Data"), workbook.add_worksheet("2024")
        first.write_row(0, 0, ["a"])
        first.write_row(1, 0, ["one"])
        second.write_row(0, 2, ["a title"])
        second.write_row(2, 2, ["text", None, "text"])
        second.write_row(3, 2, ["x", 1, 2.5])
    return path


def test_a_sheet_by_name_or_number(book: Path, read: Any) -> None:
    second = [{"text": "x", "column_2": 1, "text_2": 2.5}]
    assert read(book) == [{"a": "one"}] == read(book, sheet="Data") == read(book, sheet=1)
    assert read(book, sheet="2024", skip=1) == second == read(book, sheet="2", skip=1)
    assert read(book, header=False) == [{"column_1": "a"}, {"column_1": "one"}]
    with pytest.raises(RecordError, match=r"there is no sheet 'data': the workbook has 'Data', '2024'"):
        read(book, sheet="data")
    with pytest.raises(RecordError, match="there is no sheet 3"):
        read(book, sheet=3)


def test_empty_and_wrong_workbooks(tmp_path: Path, read: Any) -> None:
    with record_writer(tmp_path / "empty.xlsx"):
        pass
    with pytest.raises(RecordError, match="the sheet is empty"):
        read(tmp_path / "empty.xlsx")
    (tmp_path / "in.xlsx").write_text("a,b\n")
    with pytest.raises(RecordError, match="it is damaged, or not a workbook"):
        read(tmp_path / "in.xlsx")


async def test_a_job_from_sheet_to_sheet(write: Any, read: Any, tmp_path: Path) -> None:
    source = write("in.xlsx", [ROW, {**ROW, "text": None}])
    result = await run_job(FileJob(source, tmp_path / "out.xlsx", template="{text}"), create_agent(MOCK), MOCK)
    assert (result.rows_written, result.rows_failed) == (1, 1)
    assert read(tmp_path / "out.xlsx") == [{**ROW, "result": "mock answer to: =1+1"}]
    assert read(tmp_path / "out.failed.xlsx")[0]["error_code"] == "missing_values"


def test_what_a_sheet_cannot_hold_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "MOST_ROWS", 2)
    for rows, message in (
        ([{"a": "x" * 40_000}], "the cell 'a' has 40,000 characters, and a sheet holds 32,767"),
        ([{"a": 1}] * 3, "a sheet holds 2 rows: write .csv or .parquet"),
        ([{"a": 1}, {"b": 1}], "a row has the new column 'b'"),
    ):
        with pytest.raises(RecordError) as caught, record_writer(tmp_path / "a.xlsx") as writer:
            for row in rows:
                writer.write(row)
        assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_old_formats_can_only_be_read() -> None:
    for name in ("out.xls", "out.ods"):
        with pytest.raises(ConfigError, match="can be read but not written"):
            FileJob("in.csv", name)


def test_times_of_day(write: Any, read: Any) -> None:
    [found] = read(write("a.xlsx", [{"t": time(1, 2, 3)}]))
    assert str(found["t"]) in ("01:02:03", "1:02:03")


def test_without_the_library_the_command_that_installs_it_is_named(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = write("a.xlsx", [{"a": 1}])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(RecordError, match=r"pip install 'kaizen-batch\[excel\]'"):
        open_records(path).__enter__()
