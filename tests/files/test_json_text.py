"""The text of a JSON object: members keep their spelling, and what is not JSON becomes it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.files.json_text import after_space, as_json_text, joined_members, members, spliced

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5), st.sampled_from([None, 1]))
def test_members_are_the_texts_of_the_values(values: dict[str, object], indent: int | None) -> None:
    found = members(json.dumps(values, indent=indent))
    assert {name: json.loads(text) for name, text in found.items()} == values
    assert json.loads(joined_members(found)) == values


def test_members_keep_their_spelling() -> None:
    assert members('{"a": -0, "b" : 1e999,"c":[1,  2]}') == {"a": "-0", "b": "1e999", "c": "[1,  2]"}


@given(
    st.dictionaries(st.text(max_size=5), VALUES, max_size=3), st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
)
def test_more_members_are_spliced_in(values: dict[str, object], more: dict[str, object]) -> None:
    assert json.loads(spliced(json.dumps(values), more)) == {**values, **more}


def test_a_constant_that_is_no_json_becomes_null() -> None:
    assert as_json_text({"a": float("nan"), "b": 1}, '{"a": NaN, "b": 1.0}') == '{"a": null, "b": 1.0}'


@pytest.mark.parametrize(("text", "position"), [("  a", 2), ("a", 0), ("\t\r\n", 3)])
def test_space_is_skipped(text: str, position: int) -> None:
    assert after_space(text, 0) == position
