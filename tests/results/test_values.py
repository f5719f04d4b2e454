"""Values as text and as JSON."""

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.results.values import as_json, as_text, is_blank, is_missing, plain_row

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("value", [None, math.nan, pd.NA, pd.NaT, float("nan")])
def test_what_is_missing(value: Any) -> None:
    assert is_missing(value) and is_blank(value)


@pytest.mark.parametrize(("value", "blank"), [("", True), (" \n\t", True), ("x", False), (0, False), (False, False)])
def test_what_is_blank(value: Any, blank: bool) -> None:
    assert is_blank(value) is blank and not is_missing(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"), (None, ""), (True, "true"), (7, "7"), (1.5, "1.5"), (2**70, str(2**70)), ([1, "ü"], '[1, "ü"]'),
        ({"a": None}, '{"a": null}'), (date(2024, 2, 29), "2024-02-29"), (time(1, 2), "01:02:00"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00+00:00"), (timedelta(minutes=1), "60.0"),
        (b"text", "text"), (b"\xff", "/w=="), (Decimal("1.10"), "1.10"), ([math.nan, math.inf], "[null, 1e999]"),
        ({1: -math.inf}, '{"1": -1e999}'), (pd.NaT, "None"),
    ],
)  # fmt: skip
def test_every_value_has_a_text(value: Any, text: str) -> None:
    assert as_text(value) == text


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@given(ANY_JSON)
def test_what_is_written_is_json_and_reads_as_the_value(value: Any) -> None:
    read = json.loads(as_json(value), parse_constant=refuse)
    assert repr(read) == repr(json.loads(json.dumps(value).replace("NaN", "null"))) or "NaN" in str(value)


def test_a_row_of_json_values_is_not_copied() -> None:
    row = {"a": 1, "b": None}
    assert plain_row(row) is row
    assert plain_row({"a": date(2024, 1, 1), "b": (1, 2)}) == {"a": "2024-01-01", "b": [1, 2]}
