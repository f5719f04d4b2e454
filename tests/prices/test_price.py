"""What a call costs: exact, and never more than its bound."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.errors import ConfigError
from kaizen_batch.prices import Price, Usage

RATES = st.floats(0, 1_000) | st.sampled_from([0.0, 0.075, 0.1, 0.15, 0.6, 2.5, 1e-9])
PRICES = st.builds(Price, RATES, RATES, st.none() | RATES)
TIERED = st.builds(
    lambda base, tiers: Price(base.input, base.output, base.cached, tuple(sorted(tiers, key=lambda tier: tier[0]))),
    PRICES,
    st.lists(st.tuples(st.integers(0, 300_000), PRICES), max_size=3),
)
TOKENS = st.integers(0, 1_000_000)


@pytest.mark.parametrize(
    ("price", "usage", "usd"),
    [
        (Price(0.15, 0.6), Usage(), 0.0),
        (Price(0.15, 0.6), Usage(1_000_000, 0), 0.15),
        (Price(0.15, 0.6), Usage(1, 1), 0.00000075),
        (Price(0.15, 0.6), Usage(1_000, 0, cached_tokens=1_000), 0.00015),
        (Price(0.15, 0.6, cached=0.075), Usage(1_000, 100, cached_tokens=400), 0.00018),
        (Price(0.15, 0.6, cached=0), Usage(10, 0, cached_tokens=99), 0.0),
        (Price(0.1, 0), Usage(3, 0), 0.0000003),
    ],
)
def test_the_cost_of_a_call_is_exact(price: Price, usage: Usage, usd: float) -> None:
    assert price.cost(usage) == usd


def test_beyond_a_tier_every_token_has_its_price() -> None:
    price = Price(1, 10, tiers=((100, Price(2, 20)), (200, Price(4, 40))))
    assert price.cost(Usage(100, 1)) == 110e-6
    assert price.cost(Usage(101, 1)) == 222e-6
    assert price.cost(Usage(201, 1)) == 844e-6
    assert price.at_most(150, 1) == 320e-6


def test_the_bound_uses_the_higher_price_of_new_and_cached_input() -> None:
    assert Price(1, 0, cached=2).at_most(100, 0) == 200e-6
    assert Price(2, 0, cached=1).at_most(100, 0) == 200e-6


@given(TIERED, TOKENS, TOKENS, st.data())
def test_no_call_within_the_bound_costs_more_than_the_bound(
    price: Price, input_tokens: int, output_tokens: int, data: st.DataObject
) -> None:
    used = data.draw(st.integers(0, input_tokens))
    usage = Usage(used, data.draw(st.integers(0, output_tokens)), data.draw(st.integers(0, used)))
    assert price.cost(usage) <= price.at_most(input_tokens, output_tokens)


@pytest.mark.parametrize(
    ("value", "price"),
    [
        ({"input": 0.15, "output": 0.6}, Price(0.15, 0.6)),
        ({"input": 1, "output": 2, "cached": 0.5}, Price(1, 2, 0.5)),
        ({"input": 1, "output": 2, "cached": None}, Price(1, 2)),
        (Price(1, 2), Price(1, 2)),
    ],
)
def test_a_price_is_given_as_itself_or_as_a_dict(value: Any, price: Price) -> None:
    assert Price.of(value) == price


@pytest.mark.parametrize("value", [None, 0.15, "gpt-4o", (0.1, 0.2), {}, {"input": 0.1}, {"output": 0.1}])
def test_anything_else_is_rejected_with_the_expected_form(value: Any) -> None:
    with pytest.raises(ConfigError, match=r'written {"input": 0\.15, "output": 0\.60}.*per million tokens'):
        Price.of(value)


def test_a_misspelled_part_is_named_with_the_correct_one() -> None:
    with pytest.raises(ConfigError, match=r"no 'cache'; did you mean 'cached'\?.*allowed: input, output, cached"):
        Price.of({"input": 1, "output": 2, "cache": 1})


@pytest.mark.parametrize("wrong", [-0.01, math.nan, math.inf, "0.15", True])
@pytest.mark.parametrize("part", ["input", "output", "cached"])
def test_a_price_is_a_finite_number_not_below_zero(part: str, wrong: Any) -> None:
    with pytest.raises(ConfigError, match=f"the {part} price must be a finite number >= 0.*given"):
        Price(**{"input": 1.0, "output": 1.0, part: wrong})
