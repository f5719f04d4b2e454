"""JSONL: every type survives, or one error with the row's number."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import RecordError, open_records, record_writer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=4))
def test_what_is_written_is_what_is_read(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "hypothesis.jsonl"
    with record_writer(path) as writer:
        for row in rows:
            writer.write(row)
    with open_records(path) as records:
        assert list(records) == rows
    assert path.read_bytes().count(b"\n") == len(rows)


def test_types_survive_that_other_readers_bend(write: Any, read: Any) -> None:
    rows = [{"i": 2**53 + 1, "big": 2**64 + 1, "neg": -(2**63), "f": 1e300, "t": True, "n": None, "half": "\ud83d"}]
    assert read(write("a.jsonl", rows)) == rows
    path = write("b.jsonl", [{"nan": math.nan, "inf": [math.inf, {"n": -math.inf}]}])
    assert path.read_text() == '{"nan": null, "inf": [1e999, {"n": -1e999}]}\n'
    assert read(path) == [{"nan": None, "inf": [math.inf, {"n": -math.inf}]}]


def test_what_json_has_no_form_for_is_text(write: Any, read: Any) -> None:
    row = {
        "date": date(2024, 2, 29),
        "moment": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
        "time": time(1, 2, 3),
        "span": timedelta(minutes=1),
        "decimal": Decimal("1.10"),
        "bytes": b"text",
        "binary": b"\xff\x00",
        "tuple": (1, 2),
        "nested": [{"date": date(2024, 1, 1)}],
    }
    assert read(write("a.jsonl", [row])) == [
        {
            "date": "2024-02-29",
            "moment": "2024-02-29T12:30:00+00:00",
            "time": "01:02:03",
            "span": 60.0,
            "decimal": "1.10",
            "bytes": "text",
            "binary": "/wA=",
            "tuple": [1, 2],
            "nested": [{"date": "2024-01-01"}],
        }
    ]


def test_blank_lines_are_passed_over_and_rows_may_have_columns_of_their_own(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('\n{"a": 1}\n  \n\r\n{"b": "x\u2028y"}')
    assert read(path) == [{"a": 1}, {"b": "x\u2028y"}]
    with open_records(path) as records:
        assert records.columns is None


def test_an_empty_file_has_no_rows(tmp_path: Path, read: Any, write: Any) -> None:
    (tmp_path / "in.jsonl").touch()
    assert read(tmp_path / "in.jsonl") == []
    assert write("out.jsonl", []).read_bytes() == b""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[1, 2]", r"it must be a JSON object; found: an array \(for a JSON array of rows, name the file .json"),
        (b'"text"', "found: a string"),
        (b"null", "found: null"),
        (b"7", "found: a number"),
        (b"true", "found: true or false"),
        (b"{'a': 1}", "it is not JSON: .* at character 2"),
        (b'{"a": 1', "it is not JSON"),
        (b'{"a": 1} {"b": 2}', "it is not JSON: Extra data at character 10"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the name 'c' occurs twice in an object"),
        (b'{"a": ' + b"1" * 5000 + b"}", "an integer is too long"),
        (b'{"a": ' + b"[" * 100_000 + b"}", "it is nested too deeply"),
        (b'{"a": "\xff"}', "it holds bytes that are not utf-8: pass the file's encoding"),
    ],
    ids=range(12),
)
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"a": 1}\n\n{"a": 2}\n' + line + b'\n{"a": 3}\n')
    with open_records(path) as records, pytest.raises(RecordError, match=rf"row 3 \(line 4\): .*{said}"):
        list(records)
    assert records.rows_read == 2
