"""The JSON in an answer, however it is wrapped."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.signature.extraction import has_json, json_values, whole_json

JSON = '{"team": "a", "n": {"x": [1, "}"]}}'
VALUE = json.loads(JSON)
WRAPPED = [
    JSON,
    f"\ufeff{JSON}",
    f"<think>\nlet me {{think}}\n</think>\n\n{JSON}",
    f'<think>perhaps {{"team": "b"}}</think>{JSON}',
    f"reasoning without a beginning</think>\n{JSON}",
    f"<reasoning>x</reasoning>{JSON}",
    f"Here it is:\n```json\n{JSON}\n```",
    f"```JSON\n{JSON}\n```",
    f"```json {JSON} ```",
    f"~~~\n{JSON}\n~~~ and more",
    f"{JSON}\n\nHope this helps!",
    f"{JSON}<|im_end|>",
    f"{JSON}\n{JSON}",
    f"Of {{brackets}} and {{ braces }}: {JSON}",
]


@pytest.mark.parametrize("text", WRAPPED)
def test_one_value_is_found(text: str) -> None:
    assert json_values(text) == [VALUE]
    assert has_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "words",
        "{words}",
        JSON[:-1],
        f"so: {JSON[:-1]}",
        '{"a": NaN}',
        '{"a": 1e400}',
        '{"a": -Infinity}',
        "<think>{",
    ],
)
def test_what_is_no_json_or_damaged_has_none(text: str) -> None:
    assert json_values(text) == []


def test_different_values_are_all_found() -> None:
    assert json_values('{"a": 1} or {"a": 2}') == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("text", ["", "words", "{words}", "a [list]", '<think>{"a": 1}</think> words'])
def test_words_are_no_json(text: str) -> None:
    assert not has_json(text)


@pytest.mark.parametrize("text", [JSON[:-1], '{"a', "{}", '  [{"a": 1}, '])
def test_damaged_json_is_json_all_the_same(text: str) -> None:
    assert has_json(text)


def test_deep_nesting_and_long_numbers_are_no_json_and_end() -> None:
    for text in ("[" * 100_000, '{"a": ' * 100_000, "9" * 10_000):
        with pytest.raises(ValueError):
            whole_json(text)
    assert json_values('{"a": ' * 100_000) == []
    assert whole_json(str(2**80)) == 2**80


VALUES: st.SearchStrategy[Any] = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=8), max_size=4
)
PROSE = st.text(st.characters(exclude_characters="{}<"), max_size=30)


@given(VALUES, PROSE, PROSE)
def test_any_object_is_found_in_any_prose(value: Any, before: str, after: str) -> None:
    assert json_values(f"{before}{json.dumps(value)}{after}") == [value]
