"""CSV and TSV: right rows, or one error with the row's number."""

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import RecordError, open_records, record_writer

CELLS = st.text(st.characters(exclude_categories=["Cs"]))


def given_text(folder: Path, text: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("a,b\n1,2", [{"a": "1", "b": "2"}]),
        ("a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ("a,b\r1,2\r", [{"a": "1", "b": "2"}]),
        ('a,b\n"1\n2","x ""y"", z"\n', [{"a": "1\n2", "b": 'x "y", z'}]),
        ("a,b\n1,\n,2\n", [{"a": "1", "b": ""}, {"a": "", "b": "2"}]),
        ("\n\na\n\n1\n\n2\n\n", [{"a": "1"}, {"a": "2"}]),
        ('a\n""\n', [{"a": ""}]),
        ("a\n1\0 2\n", [{"a": "1\0 2"}]),
        ("a,b\n", []),
        (",a\n0,x\n", [{"column_1": "0", "a": "x"}]),
    ],
)
def test_what_a_file_holds_is_what_comes_out(tmp_path: Path, read: Any, text: str, rows: list[Any]) -> None:
    assert read(given_text(tmp_path, text)) == rows


def test_the_columns_are_known_before_the_first_row_and_rows_are_counted(tmp_path: Path) -> None:
    with open_records(given_text(tmp_path, "a,b\n1,2\n3,4\n")) as records:
        assert (records.columns, records.rows_read, records.total) == (("a", "b"), 0, None)
        next(records)
        assert records.rows_read == 1


def test_tabs_separate_the_cells_of_tsv(tmp_path: Path, read: Any) -> None:
    assert read(given_text(tmp_path, "a\tb\n1,5\t2\n", "in.tsv")) == [{"a": "1,5", "b": "2"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3\n4,5\n", r"in\.csv', row 2 \(line 3\): it has 1 cell, and there are 2 columns \(a, b\)"),
        ("a,b\n\n1,2,3\n", r"row 1 \(line 3\): it has 3 cells, and there are 2 columns"),
        ('a\n"1\n2"\n3,4\n', r"row 2 \(line 4\): it has 2 cells"),
        ('a,b\n1,2\n3,"4\n5,6\n', r"row 2 \(line 4\): the quotes are wrong"),
        ('a,b\n1,"2"3\n', r"row 1 \(line 2\): the quotes are wrong"),
    ],
)
def test_a_row_that_is_off_is_named_and_the_rows_before_it_are_given(tmp_path: Path, text: str, said: str) -> None:
    with open_records(given_text(tmp_path, text)) as records, pytest.raises(RecordError, match=said) as caught:
        list(records)
    assert caught.value.code == "bad_row"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [
        ("", "it is empty; such a file begins with a line of column names", "empty_file"),
        ("\n\n", "it is empty", "empty_file"),
        ("a,b\n1,2\n".encode("utf-16-le"), "every second byte is NUL: pass encoding='utf-16-le'", "bad_encoding"),
        (b"a,b\xe4\n", "line 1: it holds bytes that are not utf-8", "bad_encoding"),
        ('"a,b\n1,2\n', "line 2: the quotes are wrong", "bad_row"),
    ],
)
def test_a_wrong_header_is_an_error_at_once(tmp_path: Path, text: str | bytes, said: str, code: str) -> None:
    with pytest.raises(RecordError, match=said) as caught, open_records(given_text(tmp_path, text)):
        pass
    assert caught.value.code == code


def test_a_cell_of_100_mb_is_read(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    path = given_text(tmp_path, 'a,b\n"' + ("x" * 9_999_999 + "\n") * 10 + '",1\n')
    with open_records(path) as records:
        assert [(len(row["a"]), row["b"]) for row in records] == [(100_000_000, "1")]
    assert csv.field_size_limit() >= limit


def test_a_limit_of_the_users_own_that_is_higher_stays(tmp_path: Path, read: Any) -> None:
    before = csv.field_size_limit(2**30)
    try:
        read(given_text(tmp_path, "a\n1\n"))
        assert csv.field_size_limit() == 2**30
    finally:
        csv.field_size_limit(before)


def test_a_cell_that_never_ends_is_told_before_the_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaizen_batch.files.delimited._LONGEST_CELL", 1000)
    before = csv.field_size_limit(1000)
    try:
        path = given_text(tmp_path, 'a\n"' + "x" * 2000)
        with open_records(path) as records, pytest.raises(RecordError, match=r"row 1 .*is a quote not closed\?"):
            list(records)
    finally:
        csv.field_size_limit(before)


# Writing.


def test_every_value_has_its_text(write: Any) -> None:
    row = {"none": None, "bool": True, "int": 2**70, "float": 1.5, "list": [1, "ü", None], "dict": {"a": {"b": False}}}
    assert write("out.csv", [row]).read_text().splitlines()[1:] == [
        ',true,1180591620717411303424,1.5,"[1, ""ü"", null]","{""a"": {""b"": false}}"'
    ]


@settings(max_examples=30, deadline=None)
@given(
    columns=st.lists(CELLS, min_size=1, max_size=4, unique=True),
    data=st.data(),
    suffix=st.sampled_from([".csv", ".tsv"]),
)
def test_what_is_written_is_what_is_read(
    columns: list[str], data: Any, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, CELLS)), max_size=5))
    if "\0" in "".join(columns) or not all(map(str.strip, columns)):
        return  # refused as what UTF-16 looks like, or renamed
    path = tmp_path_factory.getbasetemp() / f"hypothesis{suffix}"
    with record_writer(path, columns=columns) as writer:
        for row in rows:
            writer.write(row)
    with open_records(path) as records:
        assert (list(records), records.columns) == (rows, tuple(columns))


def test_without_rows_there_is_a_line_of_column_names(write: Any) -> None:
    assert write("out.csv", [], columns=["a", "b"]).read_text() == "a,b\n"


@pytest.mark.parametrize("name", ["out.csv", "out.tsv.gz"])
def test_a_column_that_comes_late_is_empty_in_the_rows_before(write: Any, read: Any, name: str) -> None:
    rows = [{"a": "1"}, {"a": 'x\r"\n'}, {"b": "2", "a": "3"}, {"c": "4"}]
    assert read(write(name, rows)) == [{"a": "", "b": "", "c": "", **row} for row in rows]


def test_half_a_surrogate_pair_is_written_as_its_escape(write: Any, read: Any) -> None:
    assert read(write("out.csv", [{"a": "\ud83d!"}])) == [{"a": "\\ud83d!"}]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("id;text\n1;a, b\n", [{"id": "1", "text": "a, b"}]),
        ("sep=;\r\nid;text\r\n1;x\r\n", [{"id": "1", "text": "x"}]),
        ("sep=|\nid|text\n1|x;y\n", [{"id": "1", "text": "x;y"}]),
        ('"a;b",c\n1,2\n', [{"a;b": "1", "c": "2"}]),
        ("text\na;b\n", [{"text": "a;b"}]),
    ],
)
def test_the_semicolons_of_an_excel_that_writes_decimal_commas(
    tmp_path: Path, read: Any, text: str, rows: list[Any]
) -> None:
    assert read(given_text(tmp_path, text)) == rows
