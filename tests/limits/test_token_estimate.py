"""The estimate bounds similar items from the first call on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.limits.token_estimate import TokenEstimate


@given(st.floats(0.01, 0.8), st.lists(st.tuples(st.integers(1, 10**6), st.floats(1.0, 1.249)), min_size=1))
def test_similar_items_are_bounded_and_not_by_much(lowest: float, items: list[tuple[int, float]]) -> None:
    estimate = TokenEstimate()
    for number, (body_bytes, factor) in enumerate(items):
        input_tokens = max(1, int(body_bytes * lowest * factor))
        bound = estimate.tokens(body_bytes, 7) - 7
        assert bound >= min(input_tokens, body_bytes)
        if number >= 5 and all(size > 10_000 for size, _ in items):
            assert bound <= input_tokens * 1.25 * 1.25 * 1.01 + 1
        estimate.learn(body_bytes, input_tokens)


def test_bytes_bound_tokens_until_five_answers_came() -> None:
    estimate = TokenEstimate()
    for _ in range(5):
        assert estimate.tokens(400, max_output=100) == 500
        estimate.learn(400, 96)
    assert estimate.tokens(400, max_output=100) == 220
    assert estimate.ratio == pytest.approx(0.3)


def test_one_dense_item_raises_the_bound_for_good() -> None:
    estimate = TokenEstimate()
    for tokens in (10, 10, 10, 60, 10, 10):
        estimate.learn(100, tokens)
    assert estimate.tokens(100, 0) == 75


def test_what_the_endpoint_adds_unseen_is_added_to_each_call_and_does_not_multiply() -> None:
    estimate = TokenEstimate()
    estimate.learn(200, 1_100)
    assert estimate.tokens(200, 0) == 1_100
    assert estimate.tokens(20_000, 0) == 20_900


@given(st.integers(max_value=0), st.integers(max_value=0))
def test_senseless_usage_is_left_out(body_bytes: int, input_tokens: int) -> None:
    estimate = TokenEstimate()
    for _ in range(9):
        estimate.learn(100, input_tokens)
        estimate.learn(body_bytes, 100)
    assert estimate.tokens(100, 0) == 100
