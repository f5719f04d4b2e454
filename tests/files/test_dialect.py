"""The dialect of delimited text: detected where nothing is given, and right where it matters."""

import logging
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, FileJob, RecordError, open_records, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.files.dialect import detected_delimiter


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a|b|c\nx, y|2|3\n", "|"),
        ("a\tb\n1\t2\n", "\t"),
        ("Name, first;Age;City\nDoe, John;3;Paris\n", ";"),  # commas as in prose
        ("Name,Genre|Sub\na,b|c\n", ","),
        ("text\na;b\n", ","),
        ("text\nhello, world; bye\n", ","),
        ('"a;b",c\n1,2\n', ","),
        ("a;b\n1\n2;3\n", ";"),  # ragged: the header decides
        ("", ","),
        ("x\n", ","),
    ],
)
def test_the_delimiter_is_detected(text: str, delimiter: str) -> None:
    assert detected_delimiter(text) == delimiter


def read(path: Path, **options: Any) -> list[dict[str, Any]]:
    with open_records(path, **options) as records:
        return list(records)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def make(text: str, name: str = "in.csv") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def test_what_was_detected_is_noted_if_it_is_no_comma(file: Any) -> None:
    with open_records(file("a;b\n1;2\n")) as records:
        assert records.notes == ["the delimiter is a semicolon; if it is not, pass delimiter=','"]
        assert list(records) == [{"a": "1", "b": "2"}]
    with open_records(file("a,b\n1,2\n")) as records:
        assert records.notes == []


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("a;b\n1;2\n", {"delimiter": ","}, [{"a;b": "1;2"}]),
        ("a~b\n1~2\n", {"delimiter": "~"}, [{"a": "1", "b": "2"}]),
        ("a\tb\n1\t2\n", {"delimiter": "tab"}, [{"a": "1", "b": "2"}]),
        ("a,b\n'x,y',2\n", {"quote": "'"}, [{"a": "x,y", "b": "2"}]),
        ('a,b\n"x,2\n', {"quote": ""}, [{"a": '"x', "b": "2"}]),
        ("a,b\nx\\,y,2\n", {"escape": "\\"}, [{"a": "x,y", "b": "2"}]),
        ("1,2\n3,4\n", {"header": False}, [{"column_1": "1", "column_2": "2"}, {"column_1": "3", "column_2": "4"}]),
        ("made by x\n\na,b\n1,2\n", {"skip": 1}, [{"a": "1", "b": "2"}]),
        ("# about\na,b\n# more\n1,2\n", {"comment": "#"}, [{"a": "1", "b": "2"}]),
        ('a\n"x\n# no comment"\n', {"comment": "#"}, [{"a": "x\n# no comment"}]),
        ("a,b\n1\n", {"ragged": "pad"}, [{"a": "1", "b": ""}]),
        ("a,b\n1,2,,\n", {"ragged": "pad"}, [{"a": "1", "b": "2"}]),
        ("sep=;\na;b\n1;2\n", {}, [{"a": "1", "b": "2"}]),
    ],
)
def test_options_say_how_cells_are_delimited(file: Any, text: str, options: Any, rows: Any) -> None:
    assert read(file(text), **options) == rows


def test_a_first_row_of_any_length_is_a_row_without_a_header(file: Any) -> None:
    long = "x" * 200_000
    assert read(file(f'"{long}\n{long}",1\n2,3\n'), header=False)[0]["column_1"] == f"{long}\n{long}"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('a\tb\n"x\t5"\n', [{"a": '"x', "b": '5"'}]),
        ('"a"\t"b"\n"x\ty"\t1\n', [{"a": "x\ty", "b": "1"}]),
        ('a\tb\nsay "hi"\t"\n', [{"a": 'say "hi"', "b": '"'}]),
    ],
)
def test_quotes_in_tsv_are_characters_unless_the_header_is_quoted(file: Any, text: str, rows: Any) -> None:
    assert read(file(text, "in.tsv")) == rows
    assert read(file(text, "in.tab")) == rows


def test_psv_is_delimited_by_vertical_bars(file: Any) -> None:
    assert read(file('a|b\n"x|y"|2,5\n', "in.psv")) == [{"a": "x|y", "b": "2,5"}]


def test_columns_without_a_name_or_with_one_that_is_taken_get_one(file: Any) -> None:
    with open_records(file("a,,a,a_2, \n1,2,3,4,5\n")) as records:
        assert records.columns == ("a", "column_2", "a_3", "a_2", "column_5")
        assert list(records) == [{"a": "1", "column_2": "2", "a_3": "3", "a_2": "4", "column_5": "5"}]
        assert records.notes == [
            "column 2 has no name: it is called 'column_2' here",
            "column 3 has the name 'a' of an earlier one: it is called 'a_3' here",
            "column 5 has no name: it is called 'column_5' here",
        ]


async def test_a_job_warns_once_of_what_it_detected(
    file: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = BatchConfig(llm_provider="mock")
    with caplog.at_level(logging.WARNING, "kaizen_batch.files.jobs"):
        done = await run_job(
            FileJob(file("a;\n1;2\n"), tmp_path / "o.csv", template="{a}"), create_agent(config), config
        )
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == list(done.notes)
    assert len(done.notes) == 2


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"PK\x03\x04...", "in.csv", "it is a zip archive or an Excel workbook, not csv: name it .zip or .xlsx"),
        (b"PAR1", "in.jsonl", "it is a Parquet file, not jsonl: name it .parquet"),
        (b"\x1f\x8b\x08", "in.csv", "compressed by gzip, not csv: add .gz to its name"),
        ("a,b\n1,2\n".encode("utf-16-le"), "in.csv", "every second byte is NUL: pass encoding='utf-16-le'"),
        ("a,b\n1,2\n".encode("utf-16-be"), "in.csv", "every second byte is NUL: pass encoding='utf-16-be'"),
        (b'{\n  "a": 1\n}\n', "in.jsonl", "one JSON document over several lines: name it .json, or pass input_format"),
        (b"a\tb\n1\t2\t3\n", "in.tsv", "it has 3 cells, and there are 2 columns (a, b): pass quote='\"' if"),
        (b"a,b\n1\n", "in.csv", "ragged='pad' fills the missing cells"),
        (b'a,b\n1,"x"y\n', "in.csv", "if quotes are ordinary characters here, pass quote=''"),
    ],
)
def test_an_error_names_the_fix_that_works(tmp_path: Path, content: bytes, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read(tmp_path / name)
    assert message in str(caught.value)


def test_the_named_encoding_reads_the_file(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "in.csv").write_bytes("a,b\n1,ü\n".encode(encoding))
        assert read(tmp_path / "in.csv", encoding=encoding) == [{"a": "1", "b": "ü"}]
