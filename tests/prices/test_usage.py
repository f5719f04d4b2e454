"""Usage: tokens add up, and are serialized as plain numbers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.prices import Usage

TOKENS = st.integers(0, 10**9)
USAGES = st.builds(Usage, TOKENS, TOKENS, TOKENS)


def test_a_new_usage_is_zero() -> None:
    assert Usage() == Usage(0, 0, 0)


def test_two_usages_add_up_field_by_field() -> None:
    assert Usage(1, 2, 3) + Usage(10, 20, 30) == Usage(11, 22, 33)


@given(USAGES, USAGES, USAGES)
def test_the_order_of_adding_does_not_matter(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a


@given(USAGES, USAGES)
def test_totals_add_up_too(a: Usage, b: Usage) -> None:
    assert (a + b).total_tokens == a.total_tokens + b.total_tokens


def test_cached_tokens_are_part_of_the_input_and_not_counted_twice() -> None:
    assert Usage(input_tokens=10, output_tokens=5, cached_tokens=8).total_tokens == 15


@given(USAGES)
def test_the_dict_is_json_and_makes_the_same_usage(usage: Usage) -> None:
    assert Usage(**json.loads(json.dumps(usage.to_dict()))) == usage


def test_a_usage_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Usage().input_tokens = 1  # type: ignore[misc]
