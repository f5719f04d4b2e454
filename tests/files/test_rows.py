"""Rows that remember how the input stores them, and selections of their columns."""

import pyarrow as pa
import pytest

from kaizen_batch import ConfigError, InputError
from kaizen_batch.files.rows import ArrowBatch, ArrowRow, BrokenRow, JsonRow, Row, Selection

WITHOUT_B = Selection(drop=("b",))


def test_a_selection_keeps_or_drops() -> None:
    assert Selection(("a", "b"), ("b",)).of(("b", "a", "c")) == ("a",)
    assert Selection().of(("b", "a")) == ("b", "a")
    Selection(("a",)).check(("a", "b"))
    with pytest.raises(ConfigError, match=r"select names 'A': .*the rows have 'a'"):
        Selection(("A",)).check(("a",))


def test_rows_of_values() -> None:
    row = Row({"a": 1, "b": 2})
    assert row.cells() is row and row.only(WITHOUT_B) == {"a": 1}


def test_rows_of_json_keep_the_text_of_what_stays() -> None:
    row = JsonRow({"a": 1.1, "b": [1], "c": "x"}, '{ "a": 1.10 , "b": [1], "c":"x"}')
    kept = row.only(WITHOUT_B)
    assert (kept, kept.text) == ({"a": 1.1, "c": "x"}, '{"a": 1.10, "c": "x"}')


def test_rows_of_a_batch_share_it_and_convert_it_once() -> None:
    batch = ArrowBatch(pa.record_batch({"a": pa.array([0.1, 0.2], pa.float32()), "b": ["x", "y"]}))
    rows = [ArrowRow([("b", value)], batch, index) for index, value in enumerate("xy")]
    assert rows[1].cells() == {"a": 0.2, "b": "y"} and batch.values is batch.values
    narrowed = [row.only(WITHOUT_B) for row in rows]
    assert narrowed[0].batch is narrowed[1].batch and narrowed[1].cells() == {"a": 0.2}


def test_a_broken_row_has_its_error() -> None:
    error = InputError("no")
    assert BrokenRow({"path": "x"}, error).error is error
